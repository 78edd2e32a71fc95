"""Digest of a row's content: equal runs have equal digests, wherever and whenever they ran."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_UNIFORM = ({int}, {str})
_NOTHING: frozenset[str] = frozenset()


def row_digest(
    row: Mapping[str, Any], volatile: frozenset[str], volatile_nested: Mapping[str, frozenset[str]] | None = None
) -> int:
    """A row's content as a 128-bit number, the same before it is written and after it is read back.

    Left out are the columns in ``volatile`` and, for a column of structs (or lists of them) in ``volatile_nested``, the
    fields named there: times, hosts and all else that may differ between equal runs. Sums of digests modulo 2**128
    compare tables regardless of the order of their rows.
    """
    nested = volatile_nested or {}
    content: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or name in volatile:
            continue
        content[name] = _canonical(value, nested.get(name, _NOTHING))
    try:
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        text = orjson.dumps(without_half_pairs(content), option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest())


def _canonical(value: Any, left_out: frozenset[str] = _NOTHING) -> Any:
    """The value without what its column's type adds: None for absent fields, lists for tuples, 1.0 for 1.

    ``left_out`` names fields to drop from ``value``, a struct or a list of structs.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 2**63:
            return int(value)
        # JSON has no NaN and infinities; as text they still differ from None and from each other.
        return float(value) if abs(value) < float("inf") else repr(float(value))
    if isinstance(value, dict):
        return {
            name: inner if type(inner) in _AS_THEY_ARE else _canonical(inner)
            for name, inner in value.items()
            if inner is not None and name not in left_out
        }
    if isinstance(value, list | tuple):
        # Fast path for token ids and texts, which are long.
        return value if set(map(type, value)) in _UNIFORM else [_canonical(inner, left_out) for inner in value]
    return value


def without_half_pairs(value: Any) -> Any:
    """The value with each half of a surrogate pair replaced by U+FFFD: models produce them, UTF-8 can't hold them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: without_half_pairs(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_half_pairs(inner) for inner in value]
    return value
