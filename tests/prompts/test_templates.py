"""The shipped templates: complete in every language of the tasks, with all that they promise."""

import pytest
import yaml

from xtransplant.config.compose import conf_dir
from xtransplant.config.schema import TaskConfig
from xtransplant.errors import ConfigError, DataError
from xtransplant.languages import language
from xtransplant.prompts.templates import FOLDER, load_template
from xtransplant.types import Question

FIELDS = {
    "choice": ("question",),
    "mkqa": ("question",),
    "opinion": ("question", "country"),
    "passage_choice": ("passage", "question"),
    "truth": ("question", "statement"),
    "xcopa": ("premise",),
    "xnli": ("premise", "hypothesis"),
    "xquad": ("passage", "question"),
}
LABELS = {"xnli": 3, "truth": 2}
OPTIONS = {"choice": 4, "opinion": 5, "passage_choice": 4, "xcopa": 2}
TASKS = {
    path.stem: TaskConfig(**yaml.safe_load(path.read_text("utf-8")))
    for path in sorted((conf_dir() / "task").glob("*.yaml"))
}
IN_USE = [
    (name, code, variant)
    for name, task in TASKS.items()
    if task.template
    for code in task.languages
    for variant in (("cause", "effect") if task.template == "xcopa" else ("",))
]


def question(template, variant="", n=None):
    options = OPTIONS.get(template, 0) if n is None else n
    return Question(
        id="q",
        fields={name: f"{{{name}}} as is" for name in FIELDS[template]},
        gold="A",
        options=tuple(f"text {number}" for number in range(options)),
        variant=variant,
    )


def test_every_shipped_template_is_of_a_task():
    shipped = {path.stem for path in FOLDER.glob("*.yaml")} - {"words"}
    assert shipped == set(FIELDS) == {task.template for task in TASKS.values() if task.template}


@pytest.mark.parametrize(("name", "code", "variant"), IN_USE)
def test_a_prompt_holds_its_fields_and_markers_once_and_nothing_is_left_open(name, code, variant):
    task = TASKS[name]
    template = load_template(task.template)
    asked = question(task.template, variant)
    rendered = template.render(asked, code, tuple(task.keys))
    for text in asked.fields.values():
        assert rendered.text.count(text) == 1
    n = LABELS.get(task.template, len(asked.options))
    markers = [f"({key})" for key in task.keys[:n]]
    assert [option.marker for option in rendered.options] == markers
    lines = rendered.text.split("\n")
    for position, marker in enumerate(markers):
        (line,) = (line for line in lines if line.startswith(f"{marker} "))
        label = rendered.options[position].label
        assert line == f"{marker} {label if label else f'text {position}'}"
    assert ", ".join(markers) in rendered.text
    left = rendered.text
    for text in asked.fields.values():
        left = left.replace(text, "")
    assert "{" not in left and "}" not in left and "None" not in left
    # It ends where the answer begins, with the language's own mark, and no space.
    assert rendered.text[-1] in ":：፦៖-"


@pytest.mark.parametrize("template", FIELDS)
def test_every_language_has_words_of_its_own(template):
    phrases = load_template(template).phrases
    told = {code: yaml.safe_dump(dict(entry)) for code, entry in phrases.items()}
    assert len(set(told.values())) == len(told)


def test_every_language_of_a_task_has_a_flores_code():
    codes = {code for task in TASKS.values() for code in task.languages}
    flores = {language(code).flores for code in codes}
    assert all(len(code) == 8 and code[3] == "_" for code in flores)
    assert (language("zh_hk").flores, language("zh-CN").flores) == ("zho_Hant", "zho_Hans")
    assert (language("fil").code, language("no").name) == ("tl", "Norwegian")


def test_labels_are_the_options_of_the_prompts_language():
    rendered = load_template("xnli").render(question("xnli"), "sw", ("1", "2", "3"))
    assert [option.label for option in rendered.options] == ["Inafuata", "Haihusiani", "Inapingana"]


def test_what_a_template_cannot_put():
    with pytest.raises(ConfigError, match=r"^unknown language 'fi'; allowed: .*in template xnli$"):
        load_template("xnli").render(question("xnli"), "fi", ("1", "2", "3"))
    with pytest.raises(DataError, match="asks for 'premise', which question q lacks; it has quest"):
        load_template("xnli").render(question("choice"), "fr", tuple("ABCD"))
    with pytest.raises(DataError, match=r"has 5 options, but task\.keys has 4"):
        load_template("choice").render(question("choice", n=5), "fr", tuple("ABCD"))
    with pytest.raises(ConfigError, match=r"^unknown task.template 'xnil'; .* match: xnli"):
        load_template("xnil")


def test_a_template_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text('layout: "{ask} {question}"\nphrases:\n  sw: {ask: "Jibu:"}\n', "utf-8")
    rendered = load_template(str(path)).render(question("choice", n=0), "sw", ())
    assert rendered.text == "Jibu: {question} as is"
    path.write_text("phrases: {}\n", "utf-8")
    with pytest.raises(ConfigError, match=r"has no text 'layout'"):
        load_template(str(tmp_path / ".." / tmp_path.name / "mine.yaml"))


@pytest.mark.parametrize(
    ("layout", "phrases", "message"),
    [
        ("{question", "sw: {}", r"^template mine \(sw\) cannot be filled in: expected '}'"),
        ("{question} {0}", "sw: {}", r"cannot be filled in: .* positional fields; use braces"),
        ("{question:5d}", "sw: {}", r"cannot be filled in: Unknown format code 'd'"),
        ("{question.no}", "sw: {}", r"cannot be filled in: .* no attribute 'no'"),
        ("{ask} {question}", "sw: {ask: '{'}", r"cannot be filled in: .*; use braces only"),
        ("{question}", "sw: {labels: 5}", r"mine.yaml: labels of sw are not a list of texts: 5$"),
        ("{question}", "sw: {labels: [yes]}", r"labels of sw are not a list of texts: \[True\]$"),
    ],
)
def test_a_template_of_ones_own_that_is_wrong_is_one_line(tmp_path, layout, phrases, message):
    path = tmp_path / "mine.yaml"
    path.write_text(f'layout: "{layout}"\nphrases:\n  {phrases}\n', "utf-8")
    with pytest.raises(ConfigError, match=message) as error:
        load_template(str(path)).render(question("choice", n=0), "sw", ("A",))
    assert "\n" not in str(error.value)
