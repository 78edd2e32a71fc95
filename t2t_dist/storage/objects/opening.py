"""TODO"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from t2t_dist.core.errors import InputError

from .base import Storage

_SECRET = re.compile(r"key|secret|token|passw|credential|sas|signature", re.IGNORECASE)


def _path(root: str | Path) -> str:
    return os.path.abspath(root)


def _remote(uri: str, *, create: bool, patient: bool = False) -> Storage:
    """Raises InputError: an address with a secret in it, which would end up in run.json, logs and messages."""
    parts = urlsplit(uri)
    user = parts.scheme == "s3" and parts.username is not None
    if user or parts.password is not None or any(_SECRET.search(name) for name, _ in parse_qsl(parts.query)):
        raise InputError(
            f"{parts.scheme}://...: the address holds a key or password; give it in the environment"
            " (s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or the store's own configuration, never in the address"
        )
    if parts.scheme == "file":
        return Storage.create(parts.path, parents=True) if create else Storage.open(parts.path)
    if parts.scheme == "s3":
        from .s3 import S3Storage

        storage: Any = S3Storage(uri)
    else:
        from .arrow import ArrowStorage

        storage = ArrowStorage.of(uri)
    storage.first_contact(create=create, patient=patient)
    return storage  # type: ignore[no-any-return]
