"""Opening a run directory by its address: a path, ``s3://``, or any URI that pyarrow supports."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import is_utf8

from .base import Storage, is_uri
from .local import LocalStorage

_SECRET = re.compile(r"key|secret|token|passw|credential|sas|signature", re.IGNORECASE)


def create_storage(root: str | Path, *, parents: bool = False) -> Storage:
    """A writable storage; its directory is created if absent.

    Without ``parents`` the parent directory must exist, so that a misspelt or unmounted path is an error and not a
    large run on the wrong disk. A bucket must exist.

    Raises:
        InputError: it can't be created or written; one line.
    """
    _check_name(root)
    if is_uri(root):
        return _remote(str(root), create=True)
    return LocalStorage.create(os.path.abspath(root), parents=parents)


def open_storage(root: str | Path, *, patient: bool = False) -> Storage:
    """A storage for reading; the directory must exist and is not written to.

    ``patient``: wait for a store that is out of reach as long as later calls do. Otherwise fail within seconds, because
    the address may be wrong.

    Raises:
        InputError: it does not exist or can't be read; one line.
    """
    _check_name(root)
    if is_uri(root):
        return _remote(str(root), create=False, patient=patient)
    return LocalStorage.open(os.path.abspath(root))


def _check_name(root: str | Path) -> None:
    """Raises InputError: the address can't be stored in JSON or printed."""
    where = root if is_uri(root) else os.path.abspath(root)
    if not is_utf8(str(where)):
        raise InputError(f"{str(where)!a}: the name of a run has to be UTF-8; rename it, or a folder above")


def _remote(uri: str, *, create: bool, patient: bool = False) -> Storage:
    """A remote store. Raises InputError: the address contains a secret, which would end up in run.json and logs."""
    parts = urlsplit(uri)
    user = parts.scheme == "s3" and parts.username is not None
    if user or parts.password is not None or any(_SECRET.search(name) for name, _ in parse_qsl(parts.query)):
        raise InputError(
            f"{parts.scheme}://...: the address holds a key or password; give it in the environment"
            " (s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or the store's own configuration, never in the address"
        )
    if parts.scheme == "file":
        return create_storage(parts.path, parents=True) if create else open_storage(parts.path)
    if parts.scheme == "s3":
        from .s3 import S3Storage

        storage: Any = S3Storage(uri)
    else:
        from .arrow import ArrowStorage

        storage = ArrowStorage.of(uri)
    storage.first_contact(create=create, patient=patient)
    return storage  # type: ignore[no-any-return]
