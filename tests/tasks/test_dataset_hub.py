"""A data set by its hub id: from a small server of our own, from the cache, and of which commit."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hub_folders
import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


class Hub(BaseHTTPRequestHandler):
    """What `datasets` asks the hub about one repository, answered from a folder."""

    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append(f"POST {self.path}")
        try:
            paths = json.loads(body)["paths"]
        except ValueError:
            from urllib.parse import parse_qs

            paths = parse_qs(body)["paths"]
        entries = [
            self.entry(self.folder / path) for path in paths if (self.folder / path).exists()
        ]
        self.answer(200, json.dumps(entries).encode())

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        match parts:
            case ["api", "datasets", "someone", "xnli", "tree", _, *below]:
                folder = self.folder.joinpath(*below)
                deep = "recursive=True" in self.path or "recursive=true" in self.path
                found = sorted(folder.rglob("*") if deep else folder.glob("*"))
                return self.answer(200, json.dumps([self.entry(p) for p in found]).encode())
            case ["api", "datasets", "someone", "xnli", *_]:
                content = {"id": "someone/xnli", "sha": COMMIT, "siblings": []}
                return self.answer(200, json.dumps(content).encode())
            case ["datasets", "someone", "xnli", "resolve", _, *name]:
                file = self.folder.joinpath(*name)
                if file.is_file():
                    headers = {"ETag": f'"{self.oid(file)}"', "X-Repo-Commit": COMMIT}
                    return self.answer(200, file.read_bytes(), headers)
                code = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}
                return self.answer(404, b"", code)
        return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def entry(self, path: Path) -> dict[str, object]:
        name = path.relative_to(self.folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
        return {"type": "file", "path": name, "oid": self.oid(path), "size": path.stat().st_size}

    def oid(self, path: Path) -> str:
        return path.name.encode().hex().ljust(40, "0")[:40]

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    folder = hub_folders.xnli(tmp_path / "served")
    handler = type("Served", (Hub,), {"folder": folder, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


PROGRAM = """
import sys
from xtransplant.config.compose import compose
from xtransplant.errors import XtransplantError
from xtransplant.tasks.load import load_data
try:
    data = load_data(compose(sys.argv[1:]))
    print(data.source, [i.gold for i in data.instances["fr"]])
except XtransplantError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def load(tmp_path: Path, endpoint: str, *overrides: str, offline: bool) -> tuple[str, str]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    arguments = ["task=xnli", "task.id=someone/xnli", "languages=[fr]", "limit=3"]
    arguments += ["task.revision=main", *overrides]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip(), done.stderr.strip()


def test_by_id_then_from_the_cache(tmp_path, hub):
    endpoint, asked = hub
    out, err = load(tmp_path, endpoint, offline=True)
    assert (out, "\n" in err) == ("", False)
    assert err.startswith("DataError: cannot read data 'someone/xnli' (configuration fr, split ")
    assert "run `xtransplant prepare` where there is a network" in err and asked == []

    expected = (f"someone/xnli@{COMMIT} test", "['2', '3', '1']")
    out, err = load(tmp_path, endpoint, offline=False)
    assert out.startswith(expected[0]) and out.endswith(expected[1]), (out, err, asked)
    n_asked = len(asked)
    assert n_asked > 0
    again, err = load(tmp_path, endpoint, offline=True)
    assert again == out and len(asked) == n_asked

    pinned, _ = load(tmp_path, endpoint, f"task.revision={COMMIT}", offline=True)
    assert pinned == out
    nothing, err = load(tmp_path, endpoint, f"task.revision={OTHER}", offline=True)
    assert nothing == "" and err == (
        f"DataError: data 'someone/xnli': revision {OTHER} is requested, but the cache "
        f"has {COMMIT}; run `xtransplant prepare` on a machine with a network"
    )
