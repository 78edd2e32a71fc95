"""``run.json``: the identity and settings of a run. Written once, before the first row; compared on every resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import DamagedRun, InputError

from .ledger_objects import FOLDER
from .migrations import SCHEMA_VERSION
from .objects.base import Storage
from .sealed_json import AlteredContent, sealed, unsealed

NAME = "run.json"


#: What a run works on, in the words of a message.
PARTS = {
    "database": "the domain's database",
    "policy": "the domain's policy",
    "tools": "the domain's tools",
    "words": "the domain's words (language.yaml)",
    "file": "the domain's file",
    "run": "the run or file that it is made from",
}


class Manifest(BaseModel):
    """Identity and settings of a run. ``results`` are the settings that change results, flat; ``source`` is a hash of
    what it works on, and ``parts`` are hashes of the parts of that (empty in runs of older versions)."""

    run_id: str
    kind: str
    code: str
    source: str
    parts: dict[str, str] = {}
    schema_version: int = SCHEMA_VERSION
    results: dict[str, Any]
    config: Config


def read_manifest(storage: Storage) -> Manifest:
    """The manifest of a run directory.

    Raises:
        InputError: it is missing, can't be read, or has a schema version that this t2t does not know.
    """
    check_is_run(storage)
    check_present(storage)
    data = storage.read(NAME) or b""
    where = storage.describe(NAME)
    try:
        raw = orjson.loads(data)
        version = raw.get("schema_version")
        if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
            raise InputError(
                f"{where}: rows of schema version {version}, this t2t reads versions 1 to {SCHEMA_VERSION};"
                " use the t2t that wrote the run or a newer one"
            )
        return Manifest.model_validate(unsealed(raw))
    except AlteredContent as error:
        raise DamagedRun(
            f"{where}: {error}; restore it from a copy, or, if you changed it yourself, remove its checksum"
        ) from None
    except (orjson.JSONDecodeError, ValidationError, AttributeError) as error:
        text = " ".join(str(error).split())[:160]
        raise DamagedRun(f"{where} can't be read ({text}); restore it or start again in another directory") from None


def changed_parts(there: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two ``parts``, in words; all that may differ where that is not known."""
    changed = [PARTS.get(name, name) for name in {**PARTS, **there, **now} if there.get(name) != now.get(name)]
    if there and now and changed:
        return changed
    return ["the domain's database, policy, tools or words, or the run it is made from"]


def check_is_run(storage: Storage) -> None:
    """Raises InputError: a directory that holds neither a manifest nor a ledger."""
    if storage.size(NAME) is None and not storage.names(FOLDER):
        raise InputError(
            f"{storage.describe('').rstrip('/')}: this is not a run directory (it has no {NAME}); give the --out of an"
            " earlier run"
        )


def check_present(storage: Storage) -> None:
    """Raises DamagedRun: a directory with a ledger has no manifest, and any run could claim it."""
    if storage.size(NAME) is None:
        raise DamagedRun(
            f"{storage.describe(NAME)} is missing, though the run has a ledger, so that it is not known which run this"
            " is; restore it from a copy, or give another --out"
        )


def claim(storage: Storage, manifest: Manifest, *, empty: bool = False) -> bool:
    """Assign the directory to this run, or check that it is this run's already: True if it was.

    A directory whose run never committed anything (``empty``) may be taken over by another run: nothing is lost.

    Raises:
        InputError: it belongs to a run with other settings (the message lists them), other code or another source.
    """
    data = sealed(manifest.model_dump(mode="json"))
    if storage.put_if_absent(NAME, data):
        return False
    there = read_manifest(storage)
    if there.run_id == manifest.run_id:
        return True
    if empty:
        storage.replace(NAME, data)
        return False
    differs = [
        f"{name} ({there.results.get(name)!r} there, {manifest.results.get(name)!r} now)"
        for name in sorted({*there.results, *manifest.results})
        if there.results.get(name) != manifest.results.get(name)
    ]
    if there.kind != manifest.kind:
        differs.insert(0, f"the command ({there.kind} there, {manifest.kind} now)")
    elif there.code != manifest.code:
        differs.append(f"the code ({there.code} there, {manifest.code} now)")
    if there.source != manifest.source:
        differs += changed_parts(there.parts, manifest.parts)
    raise InputError(
        f"{storage.describe('')} holds another run; what differs: {'; '.join(differs) or 'the run id'}."
        " Give another --out, or the settings it was started with"
    )
