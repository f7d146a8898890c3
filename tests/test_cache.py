"""The cache folder: what is damaged there is noticed, and ends no command."""

import json
import os
from pathlib import Path

import pytest

from xtransplant import cache
from xtransplant.cache import build_once, cache_folder, file_digest
from xtransplant.errors import ModelError

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTRANSPLANT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_REMEMBER_BYTES", 0)


DAMAGED = [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"state": 1}', b"3"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_of_a_digest_counts_as_none(tmp_path: Path, content: bytes) -> None:
    weights = tmp_path / "weights"
    weights.touch()
    assert file_digest(weights) == EMPTY
    (record,) = (cache_folder() / "digests").iterdir()
    good = record.read_bytes()
    for odd in (content, json.dumps(json.loads(good) | {"sha256": "no digest"}).encode()):
        record.write_bytes(odd)
        assert file_digest(weights) == EMPTY
        assert record.read_bytes() == good


def test_a_record_that_is_a_link_is_replaced(tmp_path: Path) -> None:
    weights, precious = tmp_path / "weights", tmp_path / "precious"
    weights.touch()
    precious.write_text("mine")
    file_digest(weights)
    (record,) = (cache_folder() / "digests").iterdir()
    record.unlink()
    record.symlink_to(precious)
    assert file_digest(weights) == EMPTY
    assert precious.read_text() == "mine" and not record.is_symlink()


@pytest.mark.parametrize("damage", [lambda path: os.truncate(path, 0), os.unlink])
def test_a_folder_that_was_damaged_since_is_named_with_the_command(tmp_path, damage) -> None:
    folder = tmp_path / "cache" / "converted"
    build_once(folder, lambda part: (part / "model").write_bytes(b"weights"))
    assert build_once(folder, lambda part: None) == folder
    damage(folder / "model")
    with pytest.raises(ModelError) as error:
        build_once(folder, lambda part: None)
    assert f"rm -r {folder}" in str(error.value) and "was written with 7" in str(error.value)
