"""Domain types from names: tau2's tools take and return texts, whose names say what they are.

An argument ``order_id`` is an ``OrderId`` because models of the database have a field with that name; ``new_item_ids``
is a list of ``ItemId``; a user's ``orders``, a list of texts, are ``OrderId`` because orders have one. Where names do
not suffice, :class:`Hints` from a small YAML file help.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...entities import PLAIN, Spec
from ...files import read_text
from ...tools import problems


class Hints(BaseModel):
    """Schema of a hints file; all fields are optional."""

    model_config = ConfigDict(extra="forbid")
    customers: str | None = Field(None, description="the table of the customers: users, customers")
    now: str | None = Field(None, description="the world's time, ISO 8601; default: the current time in the policy")
    database: str | None = Field(None, description="a file with another database; relative to this file")
    options: dict[str, Any] = Field({}, description="further arguments of tau2's function that builds the environment")
    transfer: str = Field("transfer_to_human_agents", description="the tool that transfers to a human agent")
    facts: list[str] | None = Field(None, description="domain types that customers know about themselves")
    arguments: dict[str, str | list[Any]] = Field(
        {}, description="by TOOL.ARGUMENT or ARGUMENT: its domain type, or the values it can have"
    )
    results: dict[str, str] = Field(
        {},
        description="by TOOL: the domain type of a result that is a text, or the model that one without a type is of",
    )
    language: str | None = Field(
        None, description="a file with the customers' words; relative to this file; default: the shipped ones"
    )


#: The hints that name a file, relative to that of the hints.
_FILES = ("database", "language")


def load_hints(file: Path) -> Hints:
    """Read a hints file. Raises ValueError: one line that says what is wrong with it."""
    try:
        hints = Hints.model_validate(yaml.safe_load(read_text(file)) or {})
        named = {name: file.parent / getattr(hints, name) for name in _FILES if getattr(hints, name) is not None}
        return hints.model_copy(update={name: str(path) for name, path in named.items()})
    except ValidationError as error:
        raise ValueError(f"{file}: {problems(error)}") from None
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}; give a file of hints") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file} can't be read as YAML: {' '.join(str(error).split())}") from None


def type_name(field: str) -> str:
    """``order_id`` -> ``OrderId``."""
    return "".join(part[:1].upper() + part[1:] for part in field.split("_"))


def singular(field: str) -> str:
    """``item_ids`` -> ``item_id``, ``addresses`` -> ``address``, ``categories`` -> ``category``."""
    for ending, single in (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("s", "")):
        if field.endswith(ending):
            return field[: len(field) - len(ending)] + single
    return field


class Names:
    """Resolver from annotations and names to domain types, for the models of one database."""

    def __init__(self, models: Mapping[str, Any], arguments: Iterator[str], hints: Hints) -> None:
        """``models``: annotation by table; ``arguments``: names of all arguments of all tools."""
        self.hints = hints
        self.models = {model.__name__: model for annotation in models.values() for model in _models_in(annotation)}
        fields = {name for table, model in models.items() for name in _fields(model, singular(table))}
        asked = {_fitting(name, fields) for name in arguments} | {h for h in hints.arguments.values() if _is_name(h)}
        ids = {name for name in fields if name.endswith("_id")}
        #: Fields that are domain types: ids, and arguments of tools. The others (prices, states) only describe.
        self.known = ids | {name for name in fields if name in asked or type_name(name) in asked}
        self.typed = {type_name(name) for name in self.known} | (set(hints.results.values()) - self.models.keys())

    def argument(self, tool: str, name: str, annotation: Any) -> Spec:
        """The type of an argument."""
        hint = self.hints.arguments.get(f"{tool}.{name}", self.hints.arguments.get(name))
        if isinstance(hint, list):
            return Spec("choice", choices=tuple(hint))
        annotation = _bare(annotation)
        origin, inside = get_origin(annotation), get_args(annotation)
        if origin is Literal:
            return Spec("choice", choices=inside)
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            return Spec("choice", choices=tuple(member.value for member in annotation))
        if origin in (Union, types.UnionType):
            # An Enum or its value as a text.
            enums = [kind for kind in map(_bare, inside) if isinstance(kind, type) and issubclass(kind, Enum)]
            if len(enums) == 1 and {_bare(kind) for kind in inside} <= {enums[0], str}:
                return Spec("choice", choices=tuple(member.value for member in enums[0]))
        if origin is list:
            found = self._scalar(hint, singular(name), inside[0])
            return PLAIN if found is PLAIN else Spec("list", fields=(("", found),))
        return self._scalar(hint, name, annotation)

    def _scalar(self, hint: str | None, name: str, annotation: Any) -> Spec:
        if hint is not None:
            return Spec("scalar", hint)
        if _bare(annotation) not in (str, int):
            return PLAIN
        fitting = _fitting(name, self.known)
        return PLAIN if fitting is None else Spec("scalar", type_name(fitting))

    def result(self, tool: str, annotation: Any) -> Spec:
        """The type of a tool's result."""
        if tool in self.hints.results:
            hint = self.hints.results[tool]
            return self._struct(self.models[hint], "") if hint in self.models else Spec("scalar", hint)
        if _bare(annotation) is str:
            # find_user_id_by_email returns a user_id.
            said = re.match(r"[a-z]+_(\w+)_by_", tool)
            return Spec("scalar", type_name(said[1])) if said and said[1] in self.known else PLAIN
        return self.of(annotation, tool)

    def of(self, annotation: Any, name: str) -> Spec:
        """The type of a value with this name."""
        annotation = _bare(annotation)
        origin, inside = get_origin(annotation), get_args(annotation)
        if origin is list:
            single = singular(name)
            if _bare(inside[0]) is str and single not in self.known:
                single += "_id"  # a user's orders
            return Spec("list", fields=(("", self.of(inside[0], single)),))
        if origin is dict:
            return Spec("map", fields=(("", self.of(inside[1], singular(name))),))
        if origin in (Union, types.UnionType):
            members = [self.of(member, name) for member in inside]
            structs = [member for member in members if member.kind == "struct"]
            return _merged(structs) if structs else PLAIN
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self._struct(annotation, singular(name))
        return Spec("scalar", type_name(name)) if annotation in (str, int) and name in self.known else PLAIN

    def _struct(self, model: type[BaseModel], name: str) -> Spec:
        fields = tuple(
            (field, self.of(info.annotation, f"{name}_id" if field == "id" else field))
            for field, info in model.model_fields.items()
        )
        return Spec("struct", model.__name__, fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a table's records are of."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inside in get_args(annotation):
        yield from _models_in(inside)


def _merged(structs: list[Spec]) -> Spec:
    fields: dict[str, Spec] = {}
    for struct in structs:
        fields.update(struct.fields)
    return Spec("struct", structs[0].name, tuple(fields.items()))


def _is_name(hint: str | list[Any]) -> bool:
    return isinstance(hint, str)


def _fitting(name: str, known: set[str]) -> str | None:
    """The known name that a name equals or ends in: ``item_id`` for ``new_item_ids``."""
    parts = name.split("_")
    for start in range(len(parts)):
        rest = "_".join(parts[start:])
        for candidate in (rest, singular(rest)):
            if candidate in known and candidate != "id":
                return candidate
    return None


def _bare(annotation: Any) -> Any:
    """The annotation without ``Annotated`` and ``Optional``."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bare(inside[0])
    if origin in (Union, types.UnionType):
        left = [member for member in inside if member is not type(None)]
        return _bare(left[0]) if len(left) == 1 else annotation
    return annotation


def _fields(annotation: Any, name: str) -> Iterator[str]:
    """The names of scalars in a model, including nested ones; a plain ``id`` is prefixed with its owner."""
    annotation = _bare(annotation)
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (list, dict):
        yield from _fields(inside[-1], name)
    elif origin in (Union, types.UnionType):
        for member in inside:
            yield from _fields(member, name)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for field, info in annotation.model_fields.items():
            inner = _bare(info.annotation)
            if inner in (str, int):
                yield f"{name}_id" if field == "id" else field
            elif field.endswith("_ids") and get_origin(inner) is list and _bare(get_args(inner)[0]) in (str, int):
                yield singular(field)
            else:
                yield from _fields(inner, singular(field))
