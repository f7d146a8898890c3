"""Runs made by hand for the tests of the page: no model, every verdict known."""

from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path

from scipy import stats

from xtransplant.store.columns import Row
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Cell, Finish, Generation, Instance, Score

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
ARABIC = "عاصمة فرنسا هي باريس."
CELLS = (Cell(0, 0), Cell(0, 5), Cell(7, 0), Cell(7, 5))

# Four instances; a string of verdicts is one character for each, 1 for right.
BASELINE = "1100"
SWAHILI = {Cell(0, 0): "1111", Cell(0, 5): "1100", Cell(7, 0): "0000", Cell(7, 5): "0111"}


def write_run(
    root: Path,
    key: str,
    verdicts: Mapping[str, Mapping[Cell, str]],
    *,
    task: str = "toy",
    module: str = "mlp",
    control: str = "none",
    baseline: str = BASELINE,
    texts: Mapping[str, str] | None = None,
    status: str = "done",
    finish: Finish = "eos",
) -> None:
    """Write a run as the runner does, with texts "<language> <cell> <instance>" unless given.

    Args:
        root: folder of all results.
        key: of the run.
        verdicts: of each language and cell, see `BASELINE`.
        task: as `module` and `control` what the run calls itself.
        module: see `task`.
        control: see `task`.
        baseline: its verdicts.
        texts: of the first instance, to say otherwise: id, source, target, gold, text, answer.
        status: what the manifest says.
        finish: what ended the texts.
    """
    folder = RunFolder(root / task / "tiny" / module / key, key)
    config = {
        **{"task": {"name": task}, "model": {"name": "tiny"}, "module": module},
        **{"control": control, "split": "dev", "grid": {"name": "pairs"}},
    }
    folder.open_or_create(config, dict.fromkeys(verdicts, 1))
    for language, by_cell in verdicts.items():
        rows = []
        for k, before in enumerate(baseline):
            own = texts if texts and k == 0 else {}
            instance = Instance(
                id=own.get("id", f"q{k}"),
                language=language,
                source_language="en",
                target_language=language,
                source=own.get("source", f"English {k}?"),
                target=own.get("target", f"{language} {k}?"),
                gold=own.get("gold", f"gold {k}"),
                aliases=("other gold",) if k == 1 else (),
            )
            outcomes = {None: before, **{cell: line[k] for cell, line in by_cell.items()}}
            for cell, right in outcomes.items():
                where = f"{cell.source_layer},{cell.target_layer}" if cell else "baseline"
                text = own.get("text", f"{language} {where} {k}")
                score = Score(
                    answer=own.get("answer", f"read {k}") if right == "1" else None,
                    correct=right == "1",
                )
                generation = Generation((1,), text, finish)
                rows.append(Row(instance, cell, generation, {"paper-2": score}))
        folder.write_part(language, 0, control, rows)
    folder.update_manifest(status=status)


def write_runs(root: Path) -> None:
    """Write the runs of the tests: see each `task`."""
    unchanged = dict.fromkeys(CELLS, BASELINE)
    write_run(root, "aaaa", {"de": unchanged, "sw": SWAHILI})
    write_run(root, "0bbb", {"sw": {**unchanged, Cell(7, 5): "1110"}}, control="noise")
    long = {"source": "A long story. " * 30}
    write_run(root, "cccc", {"de": unchanged}, module="attn", status="running", texts=long)
    nasty = dict.fromkeys(("id", "source", "target", "gold", "text"), HOSTILE)
    nasty["answer"] = HOSTILE + " read"
    write_run(root, "dddd", {"fr": unchanged}, task="nasty & <b>", texts=nasty)
    arabic = {"target": ARABIC, "text": ARABIC + " Paris"}
    write_run(root, "eeee", {"ar": unchanged}, task="arabic", texts=arabic)
    write_run(root, "gggg", {"ar": {Cell(0, 5): BASELINE}}, task="arabic")
    shades = {Cell(0, k): "1" * k + "0" * (100 - k) for k in range(101)}
    write_run(root, "ffff", {"sw": shades}, task="shades", baseline="1" * 50 + "0" * 50)


def write_big_run(root: Path) -> str:
    """Write 50,225 rows on a full grid of 32 layers, and return the text of the last one."""
    cells = [Cell(source, target) for source in range(32) for target in range(32)]
    folder = RunFolder(root / "toy" / "tiny" / "mlp" / "k", "k")
    config = {"task": {"name": "toy"}, "model": {"name": "tiny"}, "module": "mlp"}
    folder.open_or_create(
        config | {"control": "none", "split": None, "grid": {"name": "full"}}, {"sw": 1}
    )
    rows = [
        Row(
            Instance(
                f"q{k}", "sw", "en", "sw", text_of(f"source {k}", 20), text_of(f"{k}", 20), "1"
            ),
            cell,
            Generation((1,), text_of(f"{cell} {k}", 2), "length"),
            {"paper-2": Score(None, correct=False)},
        )
        for k in range(49)
        for cell in (None, *cells)
    ]
    assert len(rows) == 50_225
    folder.write_part("sw", 0, "none", rows)
    return rows[-1].generation.text


def interval_of_four(n_correct: int) -> tuple[float, float]:
    """Clopper and Pearson's, in percent: the four instances are independent."""
    found = stats.binomtest(n_correct, 4).proportion_ci(method="exact")
    return 100 * found.low, 100 * found.high


def text_of(seed: str, n_digests: int) -> str:
    """Return 40 characters for each digest that nothing can pack: worse than any language."""
    return " ".join(sha1(f"{seed} {k}".encode()).hexdigest() for k in range(n_digests))
