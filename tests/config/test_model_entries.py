"""Each shipped model entry tells the sizes that transformers counts for its configuration."""

import io
import re
from typing import Any

import pytest
import yaml
from model_configs import CONFIGS, config_of, n_parameters
from transformers import AutoConfig
from transformers.utils import logging

from xtransplant.config.catalog import BYTES_PER_WEIGHT, listing
from xtransplant.config.compose import conf_dir, find_model
from xtransplant.config.schema import ModelAbout
from xtransplant.models.dtypes import TORCH_DTYPES
from xtransplant.terminal import Console

logging.set_verbosity_error()
LLAMA = "Llama 3.1 Community License"
ENTRIES = sorted(path.stem for path in (conf_dir() / "model").glob("*.yaml"))
POCKET = conf_dir().parent / "xtransplant" / "assets" / "pocket"


def about(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text("utf-8"))["about"])


def test_every_entry_is_counted() -> None:
    assert set(ENTRIES) - {"hf", "pocket"} == set(CONFIGS)


@pytest.mark.parametrize("name", [*CONFIGS, "pocket"])
def test_layers_parameters_and_family_are_those_of_the_configuration(name: str) -> None:
    config = AutoConfig.from_pretrained(POCKET) if name == "pocket" else config_of(name)
    told = about(name)
    assert told["family"] == config.model_type
    assert told["layers"] == config.get_text_config(decoder=True).num_hidden_layers
    assert told["parameters"] == n_parameters(config)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_says_what_a_study_must_know(name: str) -> None:
    entry = yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text("utf-8"))
    assert entry["dtype"] in TORCH_DTYPES
    if name != "hf":
        assert entry["about"]["licence"].strip()
    if "distribution" not in entry and name != "hf":
        assert re.fullmatch("main|[0-9a-f]{40}", entry["revision"])


@pytest.mark.parametrize("name", ["llama3.1-8b", "aya-101", "hf"])
def test_an_entry_is_read_with_what_it_tells(name: str) -> None:
    if name == "hf":
        assert find_model("org/name").about == ModelAbout()
    else:
        assert vars(find_model(name).about) == about(name)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_models_are_listed_in_80_columns_by_size_with_what_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    headings, rows = listing("models")
    table = {row[0]: [cell.strip() for cell in row[1:]] for row in rows}
    assert table["llama3.1-8b"] == ["llama", "32", "8.0 B", "15 GiB", "token", LLAMA]
    assert table["pythia-160m"] == ["gpt_neox", "12", "162 M", "0.6 GiB", "", "Apache-2.0"]
    assert table["pocket"][2] == "1.8 M"
    assert table["hf"][0] == "any"
    for family, sizes in {
        "pythia": "70m 160m 410m 1.4b 2.8b 6.9b 12b",
        "bloomz": "560m 1b1 1b7 3b 7b1",
        "mt0": "small base large xl xxl",
    }.items():
        found = [name for name in table if name.startswith(f"{family}-")]
        assert found == [f"{family}-{size}" for size in sizes.split()]
    file, terminal = io.StringIO(), Terminal()
    for out in (file, terminal):
        Console(out, io.StringIO()).page(headings, rows, cut_last=True)
    assert LLAMA in file.getvalue()
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue()).splitlines()
    assert len(lines) == len(rows) + 2 and max(map(len, lines)) <= 80
    assert any(line.split()[0] == "llama3.1-8b" and "token  Llama 3.1 C" in line for line in lines)
    assert all(line.startswith(row[0]) for line, row in zip(lines[2:], rows, strict=True))


def test_bytes_of_a_weight_are_those_of_torch() -> None:
    assert {name: dtype.itemsize for name, dtype in TORCH_DTYPES.items()} == BYTES_PER_WEIGHT
