"""Files are written whole or not at all, and never through a link."""

import errno
import os

import pytest

from xtransplant.errors import OutputError
from xtransplant.files import (
    appending,
    clear_old_leftovers,
    read_regular,
    require_own_folders,
    write_unless_same,
    write_whole,
)


@pytest.mark.parametrize("write", [write_whole, write_unless_same])
def test_a_link_is_replaced_and_its_target_left_alone(tmp_path, write):
    precious, link = tmp_path / "precious", tmp_path / "link"
    precious.write_bytes(b"mine")
    link.symlink_to(precious)
    write(link, b"new")
    assert precious.read_bytes() == b"mine"
    assert link.read_bytes() == b"new" and not link.is_symlink()
    link.unlink()
    link.symlink_to(precious)
    write(link, b"mine")  # the same content is no reason to keep the link
    assert not link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "precious"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_replaced(tmp_path, make):
    make(tmp_path / "odd")
    with pytest.raises(OutputError, match=r"cannot write .*odd: it is not a regular file"):
        write_whole(tmp_path / "odd", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def test_a_long_name_has_a_temporary_file_too(tmp_path):
    write_whole(tmp_path / ("a" * 240), b"new")
    assert [len(path.name) for path in tmp_path.iterdir()] == [240]


def test_lines_are_never_added_through_a_link(tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine\n")
    (tmp_path / "link").symlink_to(precious)
    with pytest.raises(OutputError, match="symbolic link"), appending(tmp_path / "link") as file:
        file.write(b"new")
    assert precious.read_bytes() == b"mine\n"


def test_a_pipe_is_not_waited_for_and_a_large_file_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"12345")
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular(tmp_path / "large", 4)
    assert read_regular(tmp_path / "large", 5) == b"12345"


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    require_own_folders(tmp_path / "run")
    (tmp_path / "run" / "generations").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="generations is a symbolic link to a folder"):
        require_own_folders(tmp_path / "run")


@pytest.mark.parametrize("before", [None, b"earlier"])
def test_a_full_disk_leaves_the_earlier_file_or_none(tmp_path, monkeypatch, before):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "table.csv"
    if before:
        path.write_bytes(before)
    monkeypatch.setattr("xtransplant.files.os.fsync", full)
    with pytest.raises(OutputError, match=r"disk full while writing .*free space"):
        write_whole(path, b"new")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == ([before] if before else [])


def test_what_killed_processes_left_is_removed_once_it_is_old(tmp_path):
    (tmp_path / "scores").mkdir()
    old, new = tmp_path / "scores" / ".a.1.tmp", tmp_path / ".b.2.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (1000, 1000))
    clear_old_leftovers(tmp_path)
    assert not old.exists() and new.exists()
