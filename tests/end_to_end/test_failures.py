"""A run that fails says why in one line and in its manifest, and leaves nothing half-written."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import xtransplant
from xtransplant.cli import app as cli
from xtransplant.config.compose import compose
from xtransplant.engine.failures import machine_failures
from xtransplant.errors import MachineError, OutputError
from xtransplant.models.loading import load_tokenizer
from xtransplant.runner import part_worker
from xtransplant.runner import run as runner
from xtransplant.runner.plan import checkpoint_arguments
from xtransplant.store.manifest import Manifest
from xtransplant.store.manifest_file import read_manifest
from xtransplant.store.run_folder import RunFolder
from xtransplant.tasks.load import load_data

RUN = ["run", "languages=[sw]", "grid.stride=4", "limit=2"]
ADVICE = "run the same command again; finished parts are kept"
POCKET = Path(xtransplant.__file__).parent / "assets" / "pocket"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(root: Path = Path("outputs")) -> Manifest:
    """Return what the manifest says, once nothing is left of the part that failed."""
    (path,) = root.rglob("manifest.json")
    run = RunFolder(path.parent, path.parent.name)
    assert run.parts() == [] and list(run.path.rglob("*.tmp")) == []
    assert list((run.path / ".leases").glob("[!.]*")) == []
    return read_manifest(run.path)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "Traceback" in line] == []
    return lines[-1]


# ------------------------------------------------------------------- machines that give up

FAILURES = {
    "host": (MemoryError(), "out of memory", "MemoryError"),
    "device": (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee …"),
        "out of memory",
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
    ),
    "kernel": (
        torch.AcceleratorError("CUDA error: device-side assert triggered\nFor debugging …"),
        "the device failed",
        "CUDA error: device-side assert triggered",
    ),
    "library": (
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        "the device failed",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_machine_that_gives_up(
    failure: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error, problem, line = FAILURES[failure]

    def give_up(*_: object) -> None:
        raise error

    monkeypatch.setattr(part_worker, "transplant_all", give_up)
    assert cli.main(RUN) == 1
    advice = f"lower rows_per_batch and {ADVICE}" if problem == "out of memory" else ADVICE
    said = f"{problem} at part sw-0000: {line}; {advice}"
    assert last_line(capsys) == f"error: {said}"
    manifest = ended()
    assert (manifest.status, manifest.reason) == ("failed", f"MachineError: {said}")
    monkeypatch.undo()


def test_what_torch_says_of_the_hosts_memory_is_known() -> None:
    pattern = r"out of memory at a test: .*can't allocate memory"
    with pytest.raises(MachineError, match=pattern), machine_failures("a test"):
        torch.empty(2**55)


def test_other_errors_are_not_reworded() -> None:
    with pytest.raises(RuntimeError, match="shapes"), machine_failures("a test"):
        raise RuntimeError("shapes cannot be multiplied")


def test_the_same_command_goes_on_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def give_up(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(part_worker, "transplant_all", give_up)
        assert cli.main(RUN) == 1
    assert cli.main(RUN) == 0
    (path,) = Path("outputs").rglob("manifest.json")
    manifest = read_manifest(path.parent)
    assert (manifest.status, manifest.reason) == ("done", None)


def test_weights_that_are_not_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    broken = Path("broken")
    broken.mkdir()
    for file in POCKET.iterdir():
        if file.is_file() and file.suffix != ".safetensors":
            (broken / file.name).write_bytes(file.read_bytes())
    weights = load_file(POCKET / "model.safetensors")
    weights["model.layers.3.mlp.down_proj.weight"][0, 0] = torch.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert cli.main([*RUN, "model=hf", "model.id=broken"]) == 2
    line = last_line(capsys)
    name = "model.layers.3.mlp.down_proj.weight"
    assert line.startswith(
        f"error: 'broken' has NaN or infinite weights in {name} in torch.float32"
    )
    manifest = ended()
    assert manifest.status == "failed"
    assert str(manifest.reason).partition(": ")[2] == line.removeprefix("error: ")


def test_a_prompt_that_leads_to_nan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word of the second instance's prompt alone, whose embedding overflows."""
    config = compose(["languages=[sw]", "limit=2"])
    tokenizer = load_tokenizer(**checkpoint_arguments(config.model))
    both = load_data(config).instances["sw"]
    first, second = (tokenizer(each.target)["input_ids"] for each in both)
    word = next(token for token in second if token not in first)
    whole = part_worker.load_model

    def overflowing(**arguments: Any) -> Any:
        model = whole(**arguments)
        model.hf.get_input_embeddings().register_forward_hook(
            lambda _, given, out: out.masked_fill((given[0] == word)[..., None], torch.inf)
        )
        return model

    monkeypatch.setattr(part_worker, "load_model", overflowing)
    assert cli.main(RUN) == 2
    line = last_line(capsys)
    assert line.startswith(f"error: instance {both[1].id} (sw): ")
    assert "NaN or infinite" in line and "layer 0" in line
    manifest = ended()
    reason = f"NumericsError: {line.removeprefix('error: ')}"
    assert (manifest.status, manifest.reason) == ("failed", reason)


# --------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("number", [2, 15, 10, 12], ids=["INT", "TERM", "USR1", "USR2"])
def test_exit_status_of_a_signal(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def signalled(*_: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(signal, "default_int_handler", signal.getsignal(signal.SIGINT))
    monkeypatch.setattr(part_worker, "transplant_all", signalled)
    assert cli.main(RUN) == 128 + number
    assert last_line(capsys).endswith("run the same command again to resume")
    manifest = ended()
    name = "KeyboardInterrupt" if number == 2 else f"Stopped: {signal.Signals(number).name}"
    assert (manifest.status, manifest.reason) == ("missing", name)


# ----------------------------------------------------------------------------------- disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("left out: no right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(
    disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = runner.write_judged_part

    def on_a_full_disk(*given: object) -> None:
        (disk / "others").write_bytes(b"0" * free(disk))
        whole(*given)

    monkeypatch.setattr(runner, "write_judged_part", on_a_full_disk)
    assert cli.main([*RUN, f"output_root={disk}/out"]) == 2
    line = last_line(capsys)
    assert line.startswith(f"error: disk full while writing {disk}/out/pocket/pocket/mlp/")
    assert line.endswith("free space and run the same command again; finished parts are kept")
    (disk / "others").unlink()
    monkeypatch.undo()
    manifest = ended(disk)
    assert manifest.status == "failed" and str(manifest.reason).startswith("OutputError: disk full")
    assert cli.main([*RUN, f"output_root={disk}/out"]) == 0


def test_what_is_kept_in_reserve_lets_a_long_manifest_say_that_the_disk_is_full(
    disk: Path,
) -> None:
    folder = RunFolder(disk / "run", "0123456789ab")
    folder.open_or_create({"long": "x" * 20_000}, {"sw": 1})
    with pytest.raises(OutputError, match="disk full"), folder.running():
        (disk / "others").write_bytes(b"0" * free(disk))
        raise OutputError("disk full")
    assert folder.read_manifest().status == "failed"


def free(disk: Path) -> int:
    stat = os.statvfs(disk)
    return stat.f_bavail * stat.f_bsize


def test_a_folder_that_cannot_be_written(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert cli.main([*RUN, f"output_root={disk}/out"]) == 2
    line = last_line(capsys)
    assert line.startswith(f"error: cannot write {disk}/out/pocket/pocket/mlp/")
    assert line.endswith(
        "Read-only file system; choose a folder that can be written (output_root, --out), "
        "then run again"
    )
    assert list(disk.iterdir()) == []


def test_a_wrong_device_is_refused_before_there_is_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "limit=1", "languages=[sw]", "grid=pairs", "grid.pairs=[[0,0]]"]
    assert cli.main([*arguments, "device=cuda:99"]) == 2
    assert "no device 'cuda:99'" in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_a_receipt_that_cannot_be_written_is_no_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def full(*_arguments):
        raise OutputError("disk full")

    monkeypatch.setattr("xtransplant.runner.run.write_receipt", full)
    arguments = ["run", "limit=1", "languages=[sw]", "grid=pairs", "grid.pairs=[[0,0]]"]
    assert cli.main([*arguments, "device=cpu"]) == 0
    assert "the run is done, but its receipt is not kept: disk full" in capsys.readouterr().err
