"""Commands work, with the right status, where the parent process closed standard streams."""

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
