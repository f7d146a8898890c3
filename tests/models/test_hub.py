"""Hub ids: from a hub (a small server of our own), from its cache, and in one line when neither."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import torch
from hub_cache import COMMIT, lay_out
from huggingface_hub import constants
from safetensors.torch import load_file
from tiny_checkpoint import message, save_llama

from xtransplant.engine.load_model import load_model
from xtransplant.models.loading import identity, load_config, load_tokenizer

REPO = "someone/tiny"
STATES = {"someone/gated": "GatedRepo", "someone/none": "RepoNotFound"}


class Hub(BaseHTTPRequestHandler):
    """The three questions the hub's client asks, answered from a folder."""

    folder: Path
    asked: list[str]
    commits: list[str]  # of the branch; it moves with each question until the last
    delay: float = 0.0

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0].removeprefix("/api/models/").strip("/")
        self.asked.append(path)
        time.sleep(self.delay)
        owner, name, *rest = path.split("/")
        repo = f"{owner}/{name}"
        if repo != REPO and (repo == "someone/none" or rest[0] == "resolve"):
            return self.answer(401, b"", {"X-Error-Code": STATES[repo]})
        match rest:
            case ["revision", "main" | "v1" | "0123456789abcdef0123456789abcdef01234567"]:
                commit = self.commits.pop(0) if len(self.commits) > 1 else self.commits[0]
                return self.answer(200, json.dumps({"id": repo, "sha": commit}).encode())
            case ["tree", _]:
                files = [
                    {
                        "type": "file",
                        "path": file.name,
                        "size": file.stat().st_size,
                        "oid": "0" * 40,
                    }
                    for file in self.folder.iterdir()
                ]
                return self.answer(200, json.dumps(files).encode())
            case ["resolve", commit, file] if (self.folder / file).is_file():
                content = (self.folder / file).read_bytes()
                return self.answer(200, content, {"ETag": f'"{file}"', "X-Repo-Commit": commit})
        self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})

    def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XTRANSPLANT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "hub"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type(
        "OneHub", (Hub,), {"folder": tmp_path / "served", "asked": [], "commits": [COMMIT]}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()
    huggingface_hub.close_session()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.close_session()


def test_a_cached_checkpoint_needs_no_network(empty_cache: Path, offline: None) -> None:
    written = lay_out(empty_cache)
    for revision in (None, "main", COMMIT):
        model = load_model(REPO, revision=revision)
        assert model.revision == COMMIT
        assert all(torch.equal(model.hf.state_dict()[key], value) for key, value in written.items())
    assert load_config(REPO).num_hidden_layers == 3
    assert load_tokenizer(REPO).decode(load_tokenizer(REPO)("ab")["input_ids"]) == "ab"


def test_identity_is_the_commit_because_a_branch_moves(empty_cache: Path, offline: None) -> None:
    assert identity(REPO, revision=COMMIT) == f"someone/tiny@{COMMIT}"  # asks nothing
    lay_out(empty_cache)
    assert identity(REPO) == identity(REPO, revision="main") == f"someone/tiny@{COMMIT}"
    assert "'v1'" in message(lambda: identity(REPO, revision="v1"))
    moved = COMMIT[::-1]
    (empty_cache / "models--someone--tiny" / "snapshots" / moved).mkdir()
    (empty_cache / "models--someone--tiny" / "refs" / "main").write_text(moved)
    assert identity(REPO) == f"someone/tiny@{moved}"


def test_not_cached_and_offline(offline: None) -> None:
    text = message(lambda: load_model(REPO, revision="v1"))
    assert "'someone/tiny'" in text and "'v1'" in text and "HF_HUB_OFFLINE" in text
    assert "nearest match: model=smollm2-135m" in message(lambda: load_model("smollm2-135"))


def test_not_cached_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    for load in (load_model, load_config, load_tokenizer):
        text = message(lambda load=load: load(REPO))
        assert "cannot be reached (ConnectError" in text and "local folder" in text


def test_a_checkpoint_is_fetched_once_and_only_what_is_read(
    hub: type[Hub], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_llama(hub.folder)
    for extra in ("pytorch_model.bin", "consolidated.safetensors", "training.json", "code.py"):
        (hub.folder / extra).write_bytes(b"{}")
    (hub.folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    load_config(REPO)
    assert not any("safetensors" in path for path in hub.asked)
    steps: list[tuple[str, int, int]] = []
    model = load_model(REPO, on_step=lambda *step: steps.append(step))
    assert model.tokenizer.chat_template == "{{ messages[0].content }}"
    assert model.revision == COMMIT
    assert any(done == total > 0 for _, done, total in steps)
    snapshot = empty_cache / "models--someone--tiny" / "snapshots" / COMMIT
    assert {file.name for file in snapshot.iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    }
    hub.asked.clear()
    load_model(REPO, revision="v1")
    assert not any("/resolve/" in path for path in hub.asked)

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert load_model(REPO).n_layers == 3


def test_a_branch_that_moves_meanwhile(hub: type[Hub], empty_cache: Path) -> None:
    save_llama(hub.folder)
    hub.commits[:] = [COMMIT, COMMIT, "f" * 40]  # the first two questions are one resolution
    assert load_model(REPO).revision == COMMIT
    assert not (empty_cache / "models--someone--tiny" / "snapshots" / ("f" * 40)).exists()


def test_a_hub_that_does_not_answer_is_asked_once(
    hub: type[Hub], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(empty_cache)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.1)
    hub.delay = 1.0
    assert load_model(REPO).revision == COMMIT
    assert not any("tree" in path or "resolve" in path for path in hub.asked)


def test_shards_are_fetched(hub: type[Hub], tmp_path: Path) -> None:
    written = save_llama(tmp_path / "whole")
    written.save_pretrained(hub.folder, max_shard_size="10KB")
    (hub.folder / "tokenizer.json").write_bytes((tmp_path / "whole/tokenizer.json").read_bytes())
    assert len(list(hub.folder.glob("model-*.safetensors"))) > 2
    model = load_model(REPO)
    state = model.hf.state_dict()
    assert all(torch.equal(state[key], value) for key, value in written.state_dict().items())


def test_pickles_are_not_fetched_unless_allowed(hub: type[Hub]) -> None:
    save_llama(hub.folder)
    torch.save(load_file(hub.folder / "model.safetensors"), hub.folder / "pytorch_model.bin")
    (hub.folder / "model.safetensors").unlink()
    assert "model.allow_pickle=true" in message(lambda: load_model(REPO))
    assert not any("pytorch_model" in path for path in hub.asked)
    assert load_model(REPO, allow_pickle=True).n_layers == 3


def test_what_is_no_language_model_is_told_before_weights_are_fetched(hub: type[Hub]) -> None:
    save_llama(hub.folder)
    (hub.folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    assert "model type 'vit'" in message(lambda: load_model(REPO))
    assert not any("safetensors" in path for path in hub.asked)


@pytest.mark.parametrize(
    ("repo", "revision", "said"),
    [
        ("someone/none", None, "no file, folder or public hub model 'someone/none'"),
        ("someone/gated", None, "is gated; accept its terms on https://huggingface.co/"),
        (REPO, "v9", "hub model 'someone/tiny' has no revision 'v9'"),
        ("someone/tiny/extra", None, "neither a file or folder here nor an id of the hub"),
        ("some one", None, "neither a file or folder here nor an id of the hub"),
    ],
)
def test_what_the_hub_refuses(hub: type[Hub], repo: str, revision: str | None, said: str) -> None:
    save_llama(hub.folder)
    assert said in message(lambda: load_model(repo, revision=revision))


def test_a_repository_without_a_checkpoint(hub: type[Hub]) -> None:
    hub.folder.mkdir()
    (hub.folder / "README.md").write_text("only words")
    assert "has no config.json" in message(lambda: load_model(REPO))
