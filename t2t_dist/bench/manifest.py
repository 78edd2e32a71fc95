"""``MANIFEST.json``: what a benchmark is, how it was made, and the checksum of every file of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from t2t_dist.core.errors import DamagedRun, InputError
from t2t_dist.environments.files import read_file, write_file
from t2t_dist.storage.sealed_json import AlteredContent, sealed, unsealed

NAME = "MANIFEST.json"
#: Most bytes of a manifest: a line per file.
_MOST = 16 << 20
_BLOCK = 1 << 20


class FileSum(BaseModel):
    """A file's size in bytes and its SHA-256, in hex."""

    model_config = ConfigDict(extra="forbid")

    bytes: int
    sha256: str


class BenchManifest(BaseModel):
    """What a benchmark is. ``version`` is a hash of its tasks; ``counts`` are tasks by part, level and intent;
    ``settings`` those of the runs its tasks come from, where they are not the defaults."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str
    seed: int
    tasks: int
    domains: list[str]
    settings: dict[str, Any]
    code: str
    counts: dict[str, dict[str, dict[str, int]]]
    files: dict[str, FileSum]

    def asked(self) -> dict[str, Any]:
        """What decides its content."""
        return self.model_dump(include={"name", "seed", "tasks", "domains", "settings", "code"})

    @property
    def total(self) -> int:
        """Tasks over all parts."""
        return sum(n for levels in self.counts.values() for intents in levels.values() for n in intents.values())


class BadFile(NamedTuple):
    """A file that is not as the manifest has it."""

    file: str
    what: str


def listed(folder: Path) -> dict[str, FileSum]:
    """The files of a folder, by their paths in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sum_of(path) for path in files}


def differing(folder: Path, manifest: BenchManifest) -> list[BadFile]:
    """The files that are missing or have other bytes than the manifest says, and those of a run that it does not list:
    what is added to a ledger would replace tasks."""
    found = []
    for name, wanted in manifest.files.items():
        path = folder / name
        try:
            there = _sum_of(path) if path.is_file() else None
        except OSError as error:
            found.append(BadFile(name, f"can't be read: {error.strerror or error}"))
            continue
        if there is None:
            found.append(BadFile(name, "is missing"))
        elif there != wanted:
            found.append(BadFile(name, "is not what was written: its SHA-256 is another"))
    # A link to a folder is not walked through, and is none of what was written.
    there_now = [path for path in (folder / "runs").rglob("*") if path.is_symlink() or not path.is_dir()]
    names = sorted(path.relative_to(folder).as_posix() for path in there_now)
    found += [BadFile(name, "is not of the benchmark: remove it") for name in names if name not in manifest.files]
    return found


def _sum_of(path: Path) -> FileSum:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileSum(bytes=size, sha256=digest.hexdigest())


def write_bench(folder: Path, manifest: BenchManifest) -> None:
    """Write the manifest, with a checksum of its own, completely or not at all. Raises OSError."""
    part = folder / f".{NAME}.part"
    write_file(part, sealed(manifest.model_dump(mode="json")))
    os.replace(part, folder / NAME)


def read_bench(folder: str) -> BenchManifest:
    """The manifest of a benchmark's folder.

    Raises:
        InputError: there is none. DamagedRun: it can't be read, or is not what was written.
    """
    path = Path(folder) / NAME
    try:
        raw = orjson.loads(read_file(path, _MOST))
    except FileNotFoundError:
        raise InputError(
            f"{folder}: this is no benchmark (it has no {NAME}); give the --out of t2t bench make"
        ) from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise DamagedRun(f"{path} can't be read ({' '.join(str(error).split())[:160]}); restore it") from None
    try:
        return BenchManifest.model_validate(unsealed(raw))
    except AlteredContent as error:
        raise DamagedRun(f"{path}: {error}; restore it from a copy") from None
    except ValidationError as error:
        raise DamagedRun(f"{path} holds no manifest ({' '.join(str(error).split())[:160]}); restore it") from None
