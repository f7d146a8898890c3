"""Each control from the command line to parquet, cell by cell beside the naive oracle."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

import xtransplant as xt
from xtransplant.cli import app as cli
from xtransplant.config.intervention import Intervention
from xtransplant.engine import oracle
from xtransplant.engine.capture import random_direction
from xtransplant.errors import ConfigError, DataError
from xtransplant.models.families import Model
from xtransplant.tasks.controls import (
    Inputs,
    controlled,
    engine_seeds,
    require_goes_with,
)
from xtransplant.types import Cell, Instance, ModuleType

TASK = Path(xt.__file__).parent / "assets" / "pocket" / "task" / "dev"
LANGUAGES = ("de", "sw")
LIMIT = 6
CELLS = [Cell(0, 0), Cell(5, 2)]
N_LAYERS = 8


def questions(language: str) -> list[dict[str, str]]:
    lines = (TASK / f"{language}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def model() -> Model:
    return xt.load_model("assets/pocket", distribution="xtransplant")


def run(folder: Path, control: str, *more: str, languages: str = "[de,sw]") -> pd.DataFrame:
    arguments = [
        f"languages={languages}",
        f"limit={LIMIT}",
        "grid=pairs",
        "grid.pairs=[[0,0],[5,2]]",
    ]
    given = [*arguments, f"control={control}", f"output_root={folder}", *more]
    assert cli.main(["run", *given]) == 0
    rows = xt.load_runs(folder).generations
    assert set(rows.control) == {control}
    return rows.set_index(["language", "instance_id", "source_layer"]).sort_index()


def texts_of_sources(model: Model, sources: list[str], target: str, cell: Cell) -> list[str]:
    """Return what the oracle says with each of these source prompts."""
    ids = [model.tokenizer(text)["input_ids"] for text in [*sources, target]]
    return [
        decoded(model, oracle.transplant_cell(model, source, ids[-1], ModuleType.MLP, cell, 20))
        for source in ids[:-1]
    ]


def decoded(model: Model, tokens: tuple[int, ...]) -> str:
    text = model.tokenizer.decode(tokens, skip_special_tokens=True)
    assert isinstance(text, str)
    return text


def test_random_instance_reads_another_question_the_same_in_every_language(
    tmp_path: Path, model: Model
) -> None:
    rows = run(tmp_path, "random_instance")
    instances = stored_instances(tmp_path)
    changed = 0
    for language in LANGUAGES:
        asked = questions(language)[:LIMIT]
        sources = [question["source"] for question in asked]
        for question in asked:
            stored = instances[language, question["id"]]
            used = stored["source"]
            (drawn,) = (one for one in asked if one["id"] == stored["drawn_id"])
            assert (used, stored["drawn_gold"]) == (drawn["source"], drawn["gold"])
            assert used in sources and used != question["source"]
            # English prompts are the same text for all languages, so the source is too.
            assert used == instances["de", question["id"]]["source"]
            for cell in CELLS:
                got = rows.text[language, question["id"], cell.source_layer]
                both = texts_of_sources(model, [used, question["source"]], question["target"], cell)
                assert got == both[0]
                changed += both[0] != both[1]
        # Every question serves once.
        assert {instances[language, q["id"]]["source"] for q in asked} == set(sources)
    assert changed
    assert set(rows.source_language) == {"en"}


def stored_instances(folder: Path) -> dict[tuple[str, str], dict[str, str | None]]:
    names = ("source", "source_language", "drawn_id", "drawn_gold")
    return {
        (instance.language, instance.id): {name: getattr(instance, name) for name in names}
        for run_ in xt.load_runs(folder).runs
        for instance in run_.folder.read_instances()
    }


def test_same_prompt_reads_the_target_prompt(tmp_path: Path, model: Model) -> None:
    rows = run(tmp_path, "same_prompt")
    for language in LANGUAGES:
        for question in questions(language)[:LIMIT]:
            for cell in CELLS:
                wanted = texts_of_sources(model, [question["target"]], question["target"], cell)
                got = rows.text[language, question["id"], cell.source_layer]
                assert got == wanted[0]
                if cell.source_layer == cell.target_layer:
                    assert got == rows.text[language, question["id"], pd.NA]
    assert (rows.source_language == rows.target_language).all()


def test_shuffled_language_reads_the_question_in_a_third_language(
    tmp_path: Path, model: Model
) -> None:
    rows = run(tmp_path, "shuffled_language")
    translations = {
        language: {question["id"]: question["target"] for question in questions(language)}
        for language in ("de", "es", "id", "sw", "tr")
    }
    drawn = set()
    for (language, name), instance in stored_instances(tmp_path).items():
        other = instance["source_language"]
        drawn.add(other)
        assert other not in {language, "en"}
        assert instance["source"] == translations[other][name]
        for cell in CELLS:
            target = translations[language][name]
            got = rows.loc[(language, name, cell.source_layer)]
            assert got.text == texts_of_sources(model, [instance["source"]], target, cell)[0]
            assert got.source_language == other
    assert len(drawn) > 2


def test_noise_has_the_norm_of_each_layer_and_is_of_the_instance(
    tmp_path: Path, model: Model
) -> None:
    rows = run(tmp_path / "both", "noise")
    alone = run(tmp_path / "alone", "noise", languages="[sw]")
    assert alone.text.tolist() == rows.loc[["sw"]].text.tolist()
    other = run(tmp_path / "seed", "noise", "seed=1")
    assert (other.text != rows.text).any()
    written = noise_written(model, tmp_path / "watched")
    question = questions("sw")[0]
    source, target = (model.tokenizer(question[s])["input_ids"] for s in ("source", "target"))
    for cell in CELLS:
        noise = written[cell]
        real = oracle.capture_layer(model, source, ModuleType.MLP, cell.source_layer)
        assert noise.norm().item() == pytest.approx(real.norm().item(), rel=1e-5)
        assert abs(torch.cosine_similarity(noise, real, dim=0).item()) < 0.4
        write = oracle.Write(ModuleType.MLP, cell.target_layer, noise)
        tokens = oracle.generate(model, target, 20, write)
        assert rows.text["sw", question["id"], cell.source_layer] == decoded(model, tokens)
    assert torch.cosine_similarity(*written.values(), dim=0).abs().item() < 0.4


def noise_written(model: Model, folder: Path) -> dict[Cell, torch.Tensor]:
    """Return the vectors that a run's rows write, of its first instance."""
    seen: dict[Cell, torch.Tensor] = {}
    with pytest.MonkeyPatch.context() as patch:
        from xtransplant.engine import transplant

        def watch(model_, targets, rows, *rest, decode=transplant.decode):
            for row, cell in zip([r for r in rows if r.module], CELLS, strict=False):
                seen.setdefault(cell, row.vector)
            return decode(model_, targets, rows, *rest)

        patch.setattr(transplant, "decode", watch)
        run(folder, "noise", languages="[sw]")
    return seen


def ids_of(model: Model, language: str, name: str) -> tuple[list[int], list[int]]:
    """Return the token ids of a question's source and target prompt."""
    (question,) = (one for one in questions(language) if one["id"] == name)
    source, target = (model.tokenizer(question[s])["input_ids"] for s in ("source", "target"))
    return source, target


@pytest.mark.parametrize("steps", ["first", "every"])
def test_displacement_moves_as_far_in_a_direction_of_the_row(
    tmp_path: Path, model: Model, steps: str
) -> None:
    more = [f"intervention.steps={steps}", "module=block"]
    rows = run(tmp_path / "zero", "displacement", *more, languages="[sw]")
    other = run(tmp_path / "one", "displacement", *more, "seed=1", languages="[sw]")
    real = run(tmp_path / "none", "none", *more, languages="[sw]")
    assert (rows.text != other.text).any() and (rows.text != real.text).any()
    for question in questions("sw")[:LIMIT]:
        source, target = ids_of(model, "sw", question["id"])
        asked = instance(question["id"], "", "sw")
        seed = engine_seeds("displacement", asked, 0)["displacement_seed"]
        for cell in CELLS:
            taken = oracle.capture_layer(model, source, ModuleType.BLOCK, cell.source_layer)
            direction = random_direction(taken, seed, cell)
            how = Intervention(steps=steps)
            write = oracle.Write(ModuleType.BLOCK, cell.target_layer, taken, how, direction)
            tokens = oracle.generate(model, target, 20, write)
            assert rows.text["sw", question["id"], cell.source_layer] == decoded(model, tokens)


@pytest.mark.parametrize("control", ["none", "shuffled_language"])
def test_an_intervention_reaches_the_rows_with_a_control_or_without(
    tmp_path: Path, model: Model, control: str
) -> None:
    more = ["intervention=mix", "intervention.steps=every", "module=attn_mlp"]
    rows = run(tmp_path, control, *more, languages="[sw]")
    how, changed = Intervention("mix", 0.5, steps="every"), 0
    for question in questions("sw")[:LIMIT]:
        _, target = ids_of(model, "sw", question["id"])
        stored = stored_instances(tmp_path)["sw", question["id"]]["source"]
        source = model.tokenizer(stored)["input_ids"]
        for cell in CELLS:
            tokens = oracle.transplant_cell(
                model, source, target, ModuleType.ATTN_MLP, cell, 20, how
            )
            got = rows.text["sw", question["id"], cell.source_layer]
            assert got == decoded(model, tokens)
            changed += got != rows.text["sw", question["id"], pd.NA]
    assert changed
    (one,) = xt.load_runs(tmp_path).runs
    assert one.identity.title() == (
        "pocket (dev), pocket, attn_mlp, op mix, alpha 0.5, steps every"
    )


def instance(name: str, source: str, language: str = "fr") -> Instance:
    return Instance(name, language, "en", language, source, f"{language} {name}", "gold")


def test_random_instance_passes_over_the_same_question() -> None:
    twins = [instance("a", "Who?"), instance("b", "Who?"), instance("c", "What?")]
    for seed in range(5):
        drawn = controlled("random_instance", Inputs({"fr": twins}, seed, [], list))["fr"]
        assert [one.source for one in drawn] == ["What?", "What?", "Who?"]
        assert [one.target for one in drawn] == ["fr a", "fr b", "fr c"]


@pytest.mark.parametrize(
    ("control", "languages", "message"),
    [
        (
            "random_instance",
            ["fr"],
            "no source prompt of another question or passage for instance a",
        ),
        ("shuffled_language", ["fr"], "two languages or more"),
        ("shuffled_language", ["fr", "sw"], "instance a (fr) is missing in sw"),
    ],
)
def test_nothing_to_draw_is_one_line(control: str, languages: list[str], message: str) -> None:
    with pytest.raises(DataError) as raised:
        controlled(control, Inputs({"fr": [instance("a", "Who?")]}, 0, languages, lambda _: []))
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_controls_go_with_what_the_contract_says() -> None:
    """A random source or the target itself says nothing about a mean difference of languages."""
    transplant, difference = (
        {"op": "replace", "vector": "activation"},
        {"op": "add", "vector": "difference"},
    )
    for control in ("none", "noise", "shuffled_language"):
        require_goes_with(control, transplant)
        require_goes_with(control, difference)
    for control in ("random_instance", "same_prompt"):
        require_goes_with(control, transplant)
        with pytest.raises(ConfigError) as raised:
            require_goes_with(control, difference)
        assert str(raised.value) == (
            f"control={control} does not go with intervention.vector=difference; "
            "allowed: activation"
        )
    require_goes_with("displacement", transplant)
    for op in ("add", "mix"):
        with pytest.raises(ConfigError) as raised:
            require_goes_with("displacement", {"op": op, "vector": "activation"})
        assert str(raised.value) == (
            f"control=displacement does not go with intervention.op={op}; allowed: replace"
        )
