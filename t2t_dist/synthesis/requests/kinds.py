"""Types of records, as tools' annotations name them: what identifies a record, and which fields refer to others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from t2t_dist.environments.base import Domain
from t2t_dist.environments.entities import Spec


def record_types(domain: Domain) -> dict[str, list[str]]:
    """The fields of each type of record that results hold."""
    return {spec.name: [name for name, _ in spec.fields] for spec in _structs(domain)}


def _structs(domain: Domain) -> Iterator[Spec]:
    """All types of records in the results of tools, outermost first; one may come several times."""

    def below(spec: Spec) -> Iterator[Spec]:
        if spec.kind == "struct" and spec.name:
            yield spec
        for _, inner in spec.fields:
            yield from below(inner)

    for tool in domain.tools:
        yield from below(tool.returns)


def by_fields(domain: Domain) -> Mapping[frozenset[str], str]:
    """The type of record that has just these fields, where one has: tells what a result without a type holds."""
    return _by_fields(domain.origin)


@lru_cache(maxsize=16)
def _by_fields(domain: Domain) -> Mapping[frozenset[str], str]:
    found: dict[frozenset[str], set[str]] = {}
    for name, fields in record_types(domain).items():
        found.setdefault(frozenset(fields), set()).add(name)
    return {fields: min(names) for fields, names in found.items() if len(names) == 1}


def identities(domain: Domain) -> Mapping[str, Mapping[str, str]]:
    """By domain type of an id, the records that it identifies: ``{type: {kind: field}}``.

    A record is identified by its first field, if that is a scalar of a domain type, or by the one that the domain's
    words for it name: the models of other people's worlds begin with any field.
    """
    return _identities(domain.origin)


@lru_cache(maxsize=16)
def _identities(domain: Domain) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for spec in _structs(domain):
        own = _identifying(domain, spec)
        if own is not None:
            found.setdefault(dict(spec.fields)[own].name, {})[spec.name] = own
    return found


def _identifying(domain: Domain, spec: Spec) -> str | None:
    """The field that identifies records of a type, ``None`` where none does."""
    words, fields = domain.language.records.get(spec.name), dict(spec.fields)
    own = words.id if words is not None and words.id is not None else next(iter(fields), "")
    return own if own in fields and fields[own].kind == "scalar" else None


def holders(domain: Domain) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """By domain type, the fields of records that hold such a value without being identified by it:
    ``{type: {kind: [field]}}``."""
    return _holders(domain.origin)


@lru_cache(maxsize=16)
def _holders(domain: Domain) -> Mapping[str, Mapping[str, Sequence[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for spec in _structs(domain):
        own = _identifying(domain, spec)
        for name, inner in spec.fields:
            if inner.kind in ("scalar", "struct") and inner.name and name != own:
                fields = found.setdefault(inner.name, {}).setdefault(spec.name, [])
                if name not in fields:
                    fields.append(name)
    return found


def own_field(domain: Domain, kind: str) -> str:
    """The field that identifies a record of a type; empty where none does."""
    return _own_fields(domain.origin).get(kind, "")


@lru_cache(maxsize=16)
def _own_fields(domain: Domain) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for kinds in _identities(domain).values():
        found = {**kinds, **found}
    return found
