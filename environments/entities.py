"""Domain types: read from annotations, and found as values in results.

A domain declares its types with ``NewType`` (``OrderId``, ``ItemId``) and ``TypedDict``. From these annotations alone
we derive which tool can feed which, and find the values in a result together with their *context*: the domain values of
the records that contain them. Nothing is listed by hand.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Required, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

Context = frozenset[tuple[str, Any]]


class DomainValue(NamedTuple):
    """A value of a domain type in a result. ``context``: (type, value) pairs of its record and the enclosing ones."""

    type: str
    value: Any
    context: Context


class Spec(NamedTuple):
    """A parsed annotation: ``kind`` is scalar, struct, list, map, choice or plain."""

    kind: str
    name: str = ""
    fields: tuple[tuple[str, Spec], ...] = ()
    choices: tuple[Any, ...] = ()

    @property
    def item(self) -> Spec:
        """Element of a list or map."""
        return self.fields[0][1]

    def names(self) -> set[str]:
        """All domain types in it."""
        return set(_names(self))

    def scalars(self) -> frozenset[str]:
        """All domain types of scalars (such as ids) in it."""
        return _scalars(self)


PLAIN = Spec("plain")
_NESTED = ("struct", "list", "map")


def spec_of(annotation: Any) -> Spec:
    """Parse an annotation. Unknown shapes are ``plain``: they hold no domain values."""
    if isinstance(annotation, NewType):
        inside = spec_of(annotation.__supertype__)
        if inside.kind == "struct":
            return inside._replace(name=annotation.__name__)
        return inside if inside.kind in ("list", "map", "choice") else Spec("scalar", annotation.__name__)
    if is_typeddict(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        return Spec("struct", annotation.__name__, tuple((key, spec_of(hint)) for key, hint in hints.items()))
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, Required, NotRequired):
        return spec_of(args[0])
    if origin is Literal:
        return Spec("choice", choices=args)
    if origin is list:
        return Spec("list", fields=(("", spec_of(args[0])),))
    if origin in (dict, Mapping) and len(args) == 2:
        return Spec("map", fields=(("", spec_of(args[1])),))
    if origin in (Union, types.UnionType):
        inner = [spec_of(arg) for arg in args if arg is not type(None)]
        if len(inner) == 1:
            return inner[0]
    return PLAIN


@lru_cache(maxsize=4096)
def _names(spec: Spec) -> frozenset[str]:
    own = frozenset({spec.name} if spec.kind in ("scalar", "struct") and spec.name else ())
    return own.union(*(_names(inner) for _, inner in spec.fields))


@lru_cache(maxsize=4096)
def _scalars(spec: Spec) -> frozenset[str]:
    own = frozenset({spec.name} if spec.kind == "scalar" else ())
    return own.union(*(_scalars(inner) for _, inner in spec.fields))


def find_values(spec: Spec, value: Any, context: Context = frozenset()) -> Iterator[DomainValue]:
    """All domain values in ``value``, outermost first, each with its context."""
    found: list[DomainValue] = []
    _collect(spec, value, context, found)
    return iter(found)


def _collect(spec: Spec, value: Any, context: Context, found: list[DomainValue]) -> None:
    kind = spec.kind
    if value is None:
        return
    if kind == "scalar":
        found.append(DomainValue(spec.name, value, context | {(spec.name, value)}))
    elif kind == "struct" and isinstance(value, dict):
        own = [
            (inner.name, value[key])
            for key, inner in spec.fields
            if inner.kind == "scalar" and value.get(key) is not None
        ]
        around = context.union(own)
        found.append(DomainValue(spec.name, value, around))
        for key, inner in spec.fields:
            if inner.kind == "scalar":
                # Its pair is in the context already.
                if (own_value := value.get(key)) is not None:
                    found.append(DomainValue(inner.name, own_value, around))
            elif inner.kind in _NESTED and key in value:
                _collect(inner, value[key], around, found)
    elif kind == "list" and isinstance(value, list):
        for element in value:
            _collect(spec.item, element, context, found)
    elif kind == "map" and isinstance(value, dict):
        for element in value.values():
            _collect(spec.item, element, context, found)


def readable(hint: Any) -> str:
    """An annotation as source code: ``list[ItemId]``, ``'a' | 'b'``, ``str | None``."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Annotated, Required, NotRequired):
        return readable(args[0])
    if origin is Literal:
        return " | ".join(repr(choice) for choice in args)
    if origin in (Union, types.UnionType):
        return " | ".join(readable(arg) for arg in args)
    if origin is not None and args:
        return f"{getattr(origin, '__name__', origin)}[{', '.join(readable(arg) for arg in args)}]"
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))
