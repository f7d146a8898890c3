"""Checkpoints on the Hugging Face hub: their files are brought to the hub's own cache.

Knows the hub, what it raises and how it is told to show progress; knows nothing of models.
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
from xtransplant.models.hf_errors import one_line
from xtransplant.progress import OnStep

# The hub's client raises errors of its HTTP library, which is not always the same one.
_HttpError: type[Exception] = HfHubHTTPError.__mro__[1]
_ERRORS = (_HttpError, OSError, EntryNotFoundError)
_COMMIT = re.compile("[0-9a-f]{40}")


def pinned(repo: str, revision: str | None, file: str, on_step: OnStep) -> str:
    """Return "repo@commit": a branch or tag moves, and its files are others then.

    Args:
        repo: id of a repository.
        revision: commit, tag or branch; only the latter two are looked up.
        file: one that the repository has.
        on_step: told of progress.

    Raises:
        ModelError: as `Snapshot.fetch`.
    """
    if revision and _COMMIT.fullmatch(revision):
        return f"{repo}@{revision}"
    return f"{repo}@{Snapshot(repo, revision, on_step).fetch((file,)).name}"


class Snapshot:
    """One revision of a hub repository; its files are fetched as they are asked for.

    Where the hub cannot be reached, files that are in its cache are used.

    Raises:
        ModelError: an id that cannot be one of the hub's.
    """

    def __init__(self, repo: str, revision: str | None, on_step: OnStep) -> None:
        self._repo = repo
        self._revision = revision or constants.DEFAULT_REVISION
        self._on_step = on_step
        self._problem: Exception | None = None
        try:
            # snapshot_download asks the same without a time limit, and can hang for minutes.
            HfApi().model_info(repo, revision=self._revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        except HFValidationError as error:
            raise ModelError(
                f"{repo!r} is neither a file or folder here nor an id of the hub (owner/name)"
            ) from error
        except _ERRORS as error:
            self._problem = error

    def fetch(self, names: Sequence[str]) -> Path:
        """Return the snapshot's folder, named by its commit, with those of the files that exist.

        Args:
            names: file names or patterns.

        Raises:
            ModelError: unknown, gated or out of reach, and not in the cache.
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
        # What is fetched next is of the same commit, should the branch move meanwhile.
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
            state = f"cannot be reached ({one_line(problem)})"
        return (
            f"{self._repo!r} is no file or folder here, as a hub model (revision "
            f"{self._revision!r}) it is not complete in the cache, and the hub {state}; "
            "fetch it where there is a network, or give a local folder"
        )


def _bar(on_step: OnStep) -> Any:
    """Return a tqdm that reports to `on_step` where it would draw."""

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO(), "disable": False})

        def display(self, *_args: Any, **_kwargs: Any) -> None:
            on_step(self.desc.rstrip(": "), int(self.n), int(self.total or 0))

    return Bar
