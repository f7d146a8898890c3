"""Commands work, with the right status, where the parent process closed standard streams."""

import os
import subprocess
import sys

import pytest

COMMAND = f"{sys.executable} -m xtransplant"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("arguments", "status"), [("ls grids", 0), ("ls nothing", 2)])
def test_closed_streams(arguments, status, closed):
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} {arguments} {closed}"], capture_output=True, text=True
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr + done.stdout


def test_a_path_in_cyrillic_where_the_locale_has_no_letters(tmp_path):
    folder = tmp_path / "Папка"
    done = subprocess.run(
        [sys.executable, "-m", "xtransplant", "status", str(folder)],
        capture_output=True,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr and done.stderr.startswith(b"error: no run below")
