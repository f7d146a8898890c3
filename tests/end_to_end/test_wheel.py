"""The built wheel in an environment of its own, outside the checkout."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and, of this one, the dependencies only."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    build += ["--outdir", str(place), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    python = place / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True)
    # A path in a .pth file is searched, but the .pth files inside it are not read.
    found = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    site = Path(found.stdout.strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_a_run_outside_the_checkout(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)  # it may lead to the checkout

    def xtransplant(*arguments: str) -> str:
        command = [str(python.with_name("xtransplant")), *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [str(python), "-c", "import xtransplant; print(xtransplant.__file__)"]
    place = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(python.parents[1]) in place
    assert Path(place.strip()).with_name("py.typed").is_file()
    assert "smollm2-135m" in xtransplant("ls", "models")
    out = xtransplant("run", "languages=[sw]", "limit=2", "grid=first_to_first")
    assert "results: outputs/pocket/pocket/mlp/" in out
    assert len(list(tmp_path.glob("outputs/pocket/pocket/mlp/*/pairs.parquet"))) == 1
    jobs = xtransplant("run", "-m", "hydra/launcher=local", "dry_run=true", "limit=1")
    rows = [line.split() for line in jobs.splitlines()]
    assert rows[2:] == [["done"]]
