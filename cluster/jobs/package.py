"""The package of a job: the working tree as git sees it, in a reproducible zip.

It holds tracked files and new ones that git does not ignore, as they are on disk now. Files that look like secrets are
left out even if tracked: a package is stored on the cluster, where every user can read it.
"""

from __future__ import annotations

import os
import stat
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import is_utf8, open_file

#: Bytes that Ray's job server accepts in one request.
LIMIT_BYTES = 100 << 20
#: Names of files and folders, at any depth, that usually hold keys.
SECRETS = (
    ".env",
    ".env.*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_ed25519*",
    "id_ecdsa*",
    ".netrc",
    ".pypirc",
    ".npmrc",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "service-account*.json",
    "kubeconfig*",
    "auth_token",
    ".ssh",
    ".aws",
    ".gnupg",
    ".kube",
)
#: Examples and public keys are not secret.
_HARMLESS = ("*.example", "*.sample", "*.template", "*.pub")
#: A fixed time for all entries; otherwise the same tree would make another zip, and be sent again.
_WHEN = (1980, 1, 1, 0, 0, 0)


class Package(NamedTuple):
    """A zip on disk; ``bytes`` is its size, ``secrets`` are the files left out because of their names."""

    path: Path
    files: int
    bytes: int
    secrets: list[str]


def working_tree(root: Path) -> list[str]:
    """Sorted names, relative to ``root``, of files that git tracks or would track, submodules included.

    Raises:
        InputError: git is not installed, or ``root`` is not in a working tree.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError("git is not installed here, but is needed to list the working tree") from None
    if done.returncode:
        raise InputError(
            f"{root} is not in a git working tree, so what to send is unknown; `git init` there, or use --no-package if"
            " the cluster's image has everything that the run needs"
        )
    found: set[str] = set()
    links: dict[str, str] = {}
    top = root.resolve()
    for raw in done.stdout.split(b"\0"):
        name = os.fsdecode(raw).rstrip("/")
        path = root / name
        if not name:
            continue
        if path.is_dir() and not path.is_symlink():  # a submodule, or a nested repository
            found.update(f"{name}/{inner}" for inner in working_tree(path))
        elif path.is_file():
            found.add(name)
        elif path.is_dir() and path.resolve().is_relative_to(top):  # a link to a folder of the tree
            links[name] = f"{path.resolve().relative_to(top).as_posix()}/"
    # A zip has no links that Ray would unpack: what such a folder holds is sent under both names.
    for name, target in links.items():
        found.update([f"{name}/{file.removeprefix(target)}" for file in found if file.startswith(target)])
    return sorted(found)


def is_secret(name: str) -> bool:
    """Whether the name of a file, or of a folder above it, is typical for secrets."""
    parts = PurePosixPath(name).parts
    if any(fnmatch(parts[-1].lower(), harmless) for harmless in _HARMLESS):
        return False
    return any(fnmatch(part.lower(), pattern) for part in parts for pattern in SECRETS)


def is_excluded(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name, or a folder above it, matches one of the patterns, such as ``data`` or ``docs/*.png``."""
    path = PurePosixPath(name)
    within = [str(path), *(str(folder) for folder in path.parents)]
    return any(fnmatch(each, pattern.rstrip("/")) for each in within for pattern in patterns)


def pack(
    root: Path,
    target: Path,
    *,
    exclude: Sequence[str] = (),
    extra: Mapping[str, bytes] | None = None,
    limit: int = LIMIT_BYTES,
) -> Package:
    """Write the working tree at ``root``, and ``extra`` files by name, into the zip ``target``.

    Raises:
        InputError: no working tree, a file that can't be read, or a package of more than ``limit`` bytes.
    """
    top = root.resolve()
    secrets, sizes = [], dict[str, int]()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in working_tree(root):
            path = root / name
            if is_excluded(name, exclude):
                continue
            if is_secret(name):
                secrets.append(name)
                continue
            if not path.resolve().is_relative_to(top):
                continue  # a link out of the tree
            if not is_utf8(name):
                raise InputError(
                    f"{root}: the name {name!a} is not UTF-8, so that it can't be sent; rename the file, let git"
                    " ignore it, or leave it out with --exclude"
                )
            try:
                entry = zipfile.ZipInfo(name, _WHEN)
                entry.external_attr = (stat.S_IFREG | (0o755 if os.access(path, os.X_OK) else 0o644)) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                with open(open_file(path), "rb") as source, archive.open(entry, "w") as sink:
                    while block := source.read(1 << 20):
                        sink.write(block)
            except OSError as error:
                raise InputError(f"{path}: {error.strerror or error}; it is part of the package") from None
            sizes[name] = archive.getinfo(name).compress_size
            if sum(sizes.values()) > 4 * limit:
                break  # far too large already: don't compress the rest
        for name, data in (extra or {}).items():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), data)
    size = target.stat().st_size
    if size > limit:
        raise InputError(_too_large(root, size, limit, sizes))
    return Package(target, len(sizes) + len(extra or {}), size, secrets)


def _too_large(root: Path, size: int, limit: int, sizes: Mapping[str, int]) -> str:
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    named = ", ".join(f"{name} ({_mib(sizes[name])})" for name in largest)
    return (
        f"the working tree {root} makes a package of {_mib(size)}, and Ray accepts {_mib(limit)}; the largest: {named}."
        " Let git ignore what the run does not need, use --exclude, or keep it in the shared store"
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.3g} MiB"
