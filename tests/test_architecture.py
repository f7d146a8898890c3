"""Who may import whom. The order of the rooms is stated here and enforced here."""

import ast
import sys
from enum import EnumMeta, StrEnum
from graphlib import TopologicalSorter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import xtransplant
from xtransplant import types
from xtransplant.config import schema
from xtransplant.config.validate import CHOICES

PACKAGE = Path(xtransplant.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

ROOMS = (
    "cli",
    "commands",
    "runner",
    "reporting",
    "analysis",
    "tasks",
    "engine",
    "models",
    "store",
    "prompts",
    "scoring",
    "config",
)
"""From the top floor to the bottom one; a room imports rooms below it, and the ground files."""

GROUND = (
    *("types", "errors", "files", "jsonl", "yaml_file", "languages", "progress", "cache"),
    *("registry", "calls", "draws"),
)
"""Files beside the rooms, which import no room."""

DOORS = ("xtransplant", "xtransplant.__main__")
"""Where Python and the command line come in: they lead to the rooms, and nothing imports them."""

TERMINAL = "terminal"


def imports(path: Path) -> set[str]:
    """Return every module that a file imports, inside functions too, but for types only."""
    names: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


IMPORTS = {name: imports(path) for name, path in FILES.items()}
LOCAL = {name: {i for i in found if i in FILES} for name, found in IMPORTS.items()}


def room_of(module: str) -> str:
    """Return the room or ground file of a module: "engine" of xtransplant.engine.steps."""
    return module.split(".")[1]


def reached(start: str) -> set[str]:
    """Return everything that a module imports, and what that imports, and so on."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        for found in IMPORTS.get(name, ()):
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return seen


def importers(*libraries: str) -> set[str]:
    return {
        name
        for name, found in IMPORTS.items()
        if any(i == lib or i.startswith(lib + ".") for i in found for lib in libraries)
    }


def inside(names: set[str], *places: str) -> set[str]:
    """Return those of the names that are none of the places or below one."""
    return {
        name
        for name in names
        if not any(name == place or name.startswith(place + ".") for place in places)
    }


def test_every_file_lies_in_a_room_or_on_the_ground() -> None:
    found = {room_of(name) for name in FILES if name not in DOORS}
    assert found == {*ROOMS, *GROUND, TERMINAL}


def test_no_room_imports_a_higher_one() -> None:
    floor = {room: number for number, room in enumerate((*ROOMS, TERMINAL, *GROUND))}
    upward = [
        f"{name} imports {other}"
        for name, local in LOCAL.items()
        if name not in DOORS
        for other in local
        if other != "xtransplant"  # for its version
        if floor[room_of(other)] < floor[room_of(name)]
        and not {room_of(name), room_of(other)} <= set(GROUND)
    ]
    assert upward == []


def test_modules_import_each_other_in_no_circle() -> None:
    TopologicalSorter({name: local - {name} for name, local in LOCAL.items()}).prepare()


def test_the_configuration_and_the_ground_know_no_other_room() -> None:
    for name in ("config.schema", "types", "errors"):
        assert LOCAL[f"xtransplant.{name}"] == set(), name


@pytest.mark.parametrize("room", ["scoring", "store", "analysis", "reporting", "config", "prompts"])
def test_rooms_that_never_reach_torch(room: str) -> None:
    modules = [name for name in FILES if name.startswith(f"xtransplant.{room}.")]
    assert modules
    for name in modules:
        assert not {"torch", "transformers"} & {i.split(".")[0] for i in reached(name)}, name


def test_the_terminal_is_known_where_somebody_sits_before_it() -> None:
    knowing = {room_of(name) for name in importers("xtransplant.terminal")}
    assert knowing == {"cli", "commands", "runner"}  # others are handed `say` and `on_step`


@pytest.mark.parametrize(
    ("libraries", "places"),
    [
        (("torch", "transformers"), ("models", "engine")),
        (("hydra", "omegaconf"), ("config", "runner.launchers")),
        (("submitit", "ray"), ("runner.launchers",)),
        (("rich",), ("terminal",)),
        (("yaml",), ("yaml_file", "config.compose")),  # the latter for Hydra's errors
        (("datasets",), ("tasks.hub",)),
        (("typer",), ("cli",)),
        (("statsmodels",), ("analysis",)),
        (("matplotlib",), ("reporting",)),
        (("pandas", "pyarrow"), ("analysis", "reporting", "store", "runner.views")),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(
    libraries: tuple[str, ...], places: tuple[str, ...]
) -> None:
    found = importers(*libraries) - {"xtransplant.engine.transplant"}  # pandas, in `to_frame`
    assert found, "the rule would hold for a library that nothing imports"
    assert inside(found, *(f"xtransplant.{place}" for place in places)) == set()


def test_only_those_who_start_a_run_see_the_whole_configuration() -> None:
    seers = {name for name, path in FILES.items() if "RunConfig" in path.read_text("utf-8")}
    entitled = {
        *("config.schema", "config.compose", "config.validate", "config.run_key"),
        *("config.schema_keys", "config.yaml_texts", "config.untouched"),
        *("config.translate_command", "tasks.load", "store.receipts"),
        *("runner.plan", "runner.run", "runner.job", "runner.inputs"),
        *("runner.dry_run", "runner.learned", "runner.prompt_pairs"),
        *("commands.check", "commands.bench", "commands.similarity"),
        *("commands.translate", "commands.prepare"),
    }
    assert seers == {f"xtransplant.{name}" for name in entitled}


def tables_of_handlers() -> dict[str, tuple[str, str]]:
    """Return for each enumerated setting the file of its handlers, and the name of its values."""
    found = {}
    for name, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "handlers":
                setting, values, _ = node.args
                assert isinstance(setting, ast.Constant)
                if name != "xtransplant.config.catalog":  # a second table of one setting
                    found[setting.value] = name, ast.unparse(values).rpartition(".")[2]
    return found


HANDLERS = tables_of_handlers()

HANDLED_ELSEWHERE = {
    "task.direction": "the same values as direction",
    "device_map": "accelerate's own names, which transformers takes and checks",
}


def test_every_enumerated_setting_has_a_table_of_handlers() -> None:
    assert {*HANDLERS, *HANDLED_ELSEWHERE} == set(CHOICES)


@pytest.mark.parametrize("setting", HANDLERS)
def test_a_value_without_handler_fails_at_import(
    setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, enumeration = HANDLERS[setting]
    home = types if hasattr(types, enumeration) else schema
    values = getattr(home, enumeration)
    assert list(values) == list(CHOICES[setting])
    assert isinstance(values, tuple | EnumMeta)
    more: object = (*values, "extra")
    if isinstance(values, EnumMeta):
        more = StrEnum("More", {m.name: m.value for m in values} | {"EXTRA": "extra"})  # type: ignore[misc]
    monkeypatch.setattr(home, enumeration, more)
    spec = spec_from_file_location("imported_again", FILES[module])
    assert spec and spec.loader
    again = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "imported_again", again)
    with pytest.raises(RuntimeError, match=f"^{setting}: no handler for extra$"):
        spec.loader.exec_module(again)


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: n for name, n in lengths.items() if n > 300} == {}


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Count a function's lines, without docstring, comments and empty lines."""
    first = function.body[0]
    docstring = range(first.lineno, (first.end_lineno or 0) + 1)
    code = [
        lines[number - 1].strip()
        for number in range(function.lineno, (function.end_lineno or 0) + 1)
        if ast.get_docstring(function) is None or number not in docstring
    ]
    return sum(bool(line) and not line.startswith("#") for line in code)


def test_no_function_has_more_than_50_lines_of_code() -> None:
    lengths = {}
    for name, path in FILES.items():
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths[f"{name}.{node.name}"] = lines_of_code(node, text.splitlines())
    assert {function: n for function, n in lengths.items() if n > 50} == {}


def test_a_module_is_hooked_in_one_file_and_by_the_oracle() -> None:
    hooking = {
        name
        for name, path in FILES.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr.startswith("register_forward")
    }
    assert hooking == {"xtransplant.models.hooks", "xtransplant.engine.oracle"}


def test_only_passes_over_target_prompts_write() -> None:
    writing = importers("xtransplant.engine.writes")
    assert {name.rpartition(".")[2] for name in writing} == {
        *("steps", "encoder_decoder", "agreement")
    }
    assert "xtransplant.engine.writes" not in reached("xtransplant.engine.oracle")


def calls_of(path: Path) -> set[str]:
    """Return the functions that a file calls, as written: `open`, `path.write_text`."""
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    }


def callers(*names: str) -> set[str]:
    """Return the modules that call a function or method of one of these names."""
    return {
        module.removeprefix("xtransplant.")
        for module, path in FILES.items()
        if {call.rpartition(".")[2] for call in calls_of(path)} & set(names)
    }


def test_only_the_terminal_prints() -> None:
    assert callers("print", "secho") == {"terminal"}
    # Typer's own text, of this package alone: --version and --help.
    assert callers("echo") == {"cli.app"}
    for name, path in FILES.items():
        if "stderr.write" in path.read_text("utf-8"):
            assert name == "xtransplant.__main__"  # before any import


def test_a_text_for_the_terminal_is_made_in_two_functions() -> None:
    tree = ast.parse(FILES["xtransplant.terminal"].read_text("utf-8"))
    making = {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Text"
        if not (node.args and isinstance(node.args[0], ast.Constant))
    }
    assert making == {"_text", "_lines"}


def test_only_files_opens_files_for_writing() -> None:
    """So nothing is half written, and nothing is written through a link."""
    # gguf joins parts of many gigabytes in a folder of its own; profiling writes to /proc.
    apart = {"files", "models.gguf", "engine.profiling"}
    assert callers("write_text", "write_bytes", "mkstemp") <= apart
    for name, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "open":
                modes = {
                    str(each.value)
                    for each in node.args
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
                writes = any(set("wax+") & set(mode) for mode in modes if len(mode) < 4)
                # Two send standard streams elsewhere.
                allowed = {*apart, "cli.app", "runner.launchers.local"}
                assert not writes or name.removeprefix("xtransplant.") in allowed, name


def test_json_that_programs_wrote_is_read_by_two_functions() -> None:
    """They bound nesting, where json.loads alone ends in a RecursionError."""
    reading = {
        name.removeprefix("xtransplant.")
        for name, path in FILES.items()
        if {"json.loads", "json.load"} & calls_of(path)
    }
    assert reading == {*("jsonl", "store.columns")}  # a part's instances are under its checksum


def test_yaml_is_read_by_one_function_that_bounds_it() -> None:
    loading = {"load", "safe_load", "load_all", "safe_load_all", "full_load", "unsafe_load", "scan"}
    for name, path in FILES.items():
        found = {call for call in calls_of(path) if call.startswith(("yaml.", "OmegaConf.load"))}
        if {call.rpartition(".")[2] for call in found} & {*loading, "compose", "parse"}:
            # As Hydra does, the latter reads files of the user's folder that were checked below.
            assert name in ("xtransplant.yaml_file", "xtransplant.config.yaml_texts"), found
    assert callers("require_tame") == {"config.compose"}


def test_a_manifest_is_read_by_one_function() -> None:
    assert callers("from_json") == {"store.manifest"}
    assert callers("manifest_in") == {"store.manifest_file", "commands.status"}


def test_a_checkpoint_is_opened_in_one_file_after_its_files_are_checked() -> None:
    """A GGUF file is converted by one more, and an adapter read by one more."""
    opening = callers("from_pretrained", "load_file", "safe_open", "load_peft_weights")
    assert opening == {"models.loading", "models.gguf", "models.adapter"}
    assert callers("snapshot_download", "hf_hub_download") == {"models.hub"}
    for name, path in FILES.items():
        assert not {"torch.load", "pickle.load", "pickle.loads"} & calls_of(path), name
    functions = {
        function.name: {
            ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)
        }
        for function in ast.walk(ast.parse(FILES["xtransplant.models.loading"].read_text("utf-8")))
        if isinstance(function, ast.FunctionDef)
    }
    opens = "auto_class(config).from_pretrained"
    reading = {name for name, calls in functions.items() if opens in calls}
    assert reading == {"_read_weights"}
    assert "weight_files" in functions["_read_weights"]  # refuses pickles and shards elsewhere
    assert callers("_require_layers") == {"models.checkpoint"}


def test_files_of_others_are_read_by_a_function_that_waits_for_no_pipe() -> None:
    own = {"reporting.page", "analysis.language_table", "tasks.pocket", "commands.bench_prompts"}
    system = {"engine.profiling", "prompts.chat"}  # of /proc
    chosen = {"prompts.templates"}  # the user names it
    fetched = {"tasks.hub", "models.packaged", "models.loading"}
    reading = {
        name.removeprefix("xtransplant.")
        for name, path in FILES.items()
        if any(call.endswith((".read_text", ".read_bytes")) for call in calls_of(path))
    }
    assert reading == own | system | chosen | fetched
