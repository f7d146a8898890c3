"""Checkpoints on the Hugging Face hub; files are fetched into the hub's own cache.

The hub's errors and progress bars are translated here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm import tqdm  # type: ignore[import-untyped]

from xtransplant.errors import ModelError
from xtransplant.models.hf_errors import error_line
from xtransplant.progress import OnStep

# The base class of the hub's HTTP errors, which depends on the version of its client.
_HttpError: type[Exception] = HfHubHTTPError.__mro__[1]
_ERRORS = (_HttpError, OSError, EntryNotFoundError)
_COMMIT = re.compile("[0-9a-f]{40}")


def pinned(repo: str, revision: str | None, file: str, on_step: OnStep) -> str:
    """Return "repo@commit", which, unlike a branch or tag, always stands for the same files.

    Args:
        repo: id of a repository.
        revision: commit, tag or branch; a commit is not looked up.
        file: name of a file in the repository.
        on_step: progress callback.

    Raises:
        ModelError: as for `Snapshot.fetch`.
    """
    if revision and _COMMIT.fullmatch(revision):
        return f"{repo}@{revision}"
    return f"{repo}@{Snapshot(repo, revision, on_step).fetch((file,)).name}"


class Snapshot:
    """One revision of a hub repository; files are fetched on request.

    If the hub cannot be reached, files in its local cache are used.

    Args:
        repo: id of the repository.
        revision: commit, tag or branch; None for the main branch.
        on_step: progress callback.

    Raises:
        ModelError: no hub repository can have such an id.
    """

    def __init__(self, repo: str, revision: str | None, on_step: OnStep) -> None:
        self._repo = repo
        self._revision = revision or constants.DEFAULT_REVISION
        self._on_step = on_step
        self._problem: Exception | None = None
        try:
            # snapshot_download makes the same request, but without a time limit, so it can hang.
            HfApi().model_info(repo, revision=self._revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        except HFValidationError as error:
            raise ModelError(
                f"{repo!r} is neither a file or folder here nor an id of the hub (owner/name)"
            ) from error
        except _ERRORS as error:
            self._problem = error

    def fetch(self, names: Sequence[str]) -> Path:
        """Fetch files, if they exist; return their folder, whose name is the commit.

        Args:
            names: file names or patterns.

        Raises:
            ModelError: the repository is unknown, gated or cannot be reached, and is not in the
                cache.
        """
        try:
            folder = snapshot_download(
                self._repo,
                revision=self._revision,
                allow_patterns=list(names),
                local_files_only=self._problem is not None,
                tqdm_class=_bar(self._on_step),
            )
        except _ERRORS as error:
            raise ModelError(self._explain(self._problem or error)) from error
        # Later fetches use the same commit, even if the branch moves in the meantime.
        self._revision = Path(folder).name
        return Path(folder)

    def _explain(self, problem: Exception) -> str:
        match problem:
            case GatedRepoError():
                return (
                    f"hub model {self._repo!r} is gated; accept its terms on "
                    f"https://huggingface.co/{self._repo} and log in with `hf auth login`"
                )
            case RevisionNotFoundError():
                return (
                    f"hub model {self._repo!r} has no revision {self._revision!r}; "
                    f"give a commit, tag or branch, such as {constants.DEFAULT_REVISION}"
                )
            case RepositoryNotFoundError():
                return (
                    f"no file, folder or public hub model {self._repo!r}; check the id, or log in "
                    "with `hf auth login` if it is private"
                )
        if isinstance(problem, OfflineModeIsEnabled):
            state = "is switched off (HF_HUB_OFFLINE)"
        else:
            state = f"cannot be reached ({error_line(problem)})"
        return (
            f"{self._repo!r} is not a local file or folder, the cache does not hold all of the hub "
            f"model (revision {self._revision!r}), and the hub {state}; fetch it on a machine with "
            "a network, or give a local folder"
        )


def _bar(on_step: OnStep) -> Any:
    """Return a tqdm class that calls `on_step` instead of drawing a bar."""

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def display(self, *_args: Any, **_kwargs: Any) -> None:
            on_step(self.desc.rstrip(": "), int(self.n), int(self.total or 0))

    return Bar
