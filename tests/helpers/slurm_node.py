"""A Slurm of one node, from Debian's packages, in a folder of its own; ends with its `with`."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CPUS = 4
"""That many jobs at once, whatever the machine has."""

CONFIGURATION = """
ClusterName=xtransplant
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Start Slurm; yield the environment in which its commands talk to it."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    configuration = folder / "slurm.conf"
    ports = [_free_port(), _free_port()]
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            cpus=CPUS,
            controller_port=ports[0],
            node_port=ports[1],
        )
    )
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    munge = ["munged", "--foreground", "--force", f"--key-file={key}"]
    munge += [f"--{each}={folder}/munge.{each.split('-')[0]}" for each in ("socket", "pid-file")]
    munge += [f"--{each}={folder}/munge.{each.split('-')[0]}" for each in ("log-file", "seed-file")]
    daemons = []
    try:
        for command in (munge, ["slurmctld", "-D"], ["slurmd", "-D"]):
            program = shutil.which(command[0]) or f"/usr/sbin/{command[0]}"
            with (folder / f"{command[0]}.out").open("w") as said:
                daemons.append(
                    subprocess.Popen(
                        [program, *command[1:]], env=environment, stdout=said, stderr=said
                    )
                )
            time.sleep(1)
        _wait_for_node(environment, folder)
        yield environment
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()
            daemon.wait()


def _wait_for_node(environment: dict[str, str], folder: Path) -> None:
    until = time.monotonic() + 60
    state = ""
    while state != "idle":
        logs = [f"{log}:\n{log.read_text()}" for log in folder.glob("*.out")]
        assert time.monotonic() < until, "\n".join([state, *logs])
        time.sleep(0.5)
        command = ["sinfo", "--noheader", "--format=%T"]
        asked = subprocess.run(command, env=environment, capture_output=True, text=True)
        state = asked.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
