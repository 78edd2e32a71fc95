"""Loading settings: a file, then overrides from the command line, with errors that name the place."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import read_text

from .settings import Config


class _Loader(yaml.SafeLoader):
    """YAML in which ``1e-3`` and ``1.5e3`` are numbers, as everybody takes them."""


_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def load_config(file: str | None, overrides: Mapping[str, Any], given_as: Mapping[str, str] = {}) -> Config:
    """The config of a YAML file (or of none) with overrides on top, keyed by dotted path.

    Args:
        given_as: by path of an override, how it was given, such as ``--seed``; messages name it so.

    Raises:
        InputError, one line: unreadable file, unknown key (with near matches), wrong value.
    """
    data: dict[str, Any] = {}
    if file is not None:
        try:
            data = yaml.load(read_text(file), _Loader) or {}
        except OSError as error:
            raise InputError(f"config {file}: {error.strerror or error}; give a YAML file with settings") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"config {file} is not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(data, dict):
            raise InputError(f"config {file} must be a mapping of settings, such as 'domain: retail'")
    for path, value in overrides.items():
        _put(data, path, list(value) if isinstance(value, tuple) else value)

    def where(path: str) -> str:
        """``config run.yaml: limits.max_steps``, or ``--set limits.max_steps``, or the option that gave it."""
        for given, words in given_as.items():
            if f"{path}.".startswith(f"{given}."):
                return words if words.startswith("--") and " " not in words else words + path.removeprefix(given)
        return f"config {file}: {path}" if file else f"config: {path}"

    try:
        config = Config.model_validate(data)
        config.model_dump_json()  # half a surrogate pair, which YAML can escape, can't be stored
        _check_numbers(config.model_dump(), where)
    except ValidationError as error:
        raise InputError(_explain(error, where, list(overrides))) from None
    except ValueError as error:
        place = f"config {file}" if file else "config"
        raise InputError(f"{place}: a text is not UTF-8 ({' '.join(str(error).split())[:120]}); correct it") from None
    return config


def _check_numbers(value: Any, where: Callable[[str], str], path: str = "") -> None:
    """Raises InputError: a number that the manifest can't hold, which is JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, each in inner:
        _check_numbers(each, where, f"{path}.{name}" if path else str(name))
    whole = isinstance(value, int) and not -(2**63) <= value < 2**63
    if whole or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"{where(path)}: a finite number of at most 64 bits is needed, got {value!r:.80}")


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    keys = path.split(".")
    for key in keys[:-1]:
        inner = data[key] = data.get(key) or {}  # a section may be empty in the file
        if not isinstance(inner, dict):
            raise InputError(f"--set {path}: '{key}' is a value, not a section")
        data = inner
    data[keys[-1]] = value


def parse_setting(text: str) -> tuple[str, Any]:
    """``a.b=c`` as (path, value); the value is read as YAML. Raises InputError."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise InputError(f"--set {text}: write it as name=value, such as limits.max_steps=60")
    try:
        return path.strip(), yaml.load(value, _Loader) if value.strip() else ""
    except yaml.YAMLError:
        raise InputError(f"--set {text}: the value is not YAML; put it into quotes") from None


def _explain(error: ValidationError, where: Callable[[str], str], overrides: list[str]) -> str:
    found = error.errors()
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    path = ".".join(str(part) for part in first["loc"])
    # A path through a value, such as limit.max_steps.
    through = [given for given in overrides if given.startswith(f"{path}.") and first["type"].endswith("_type")]
    if first["type"] == "extra_forbidden" or through:
        path = through[0] if through else path
        return f"{where(path)}: there is no such setting; {_near(path.split('.'))}"
    message, hint = first["msg"].removeprefix("Value error, "), ""
    if first["type"] == "model_type":
        message = "this is a section, not a value"
    if first["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", first["ctx"]["expected"])
        near = get_close_matches(str(first["input"]), known, 1, 0.6)
        hint = f", did you mean {near[0]}?" if near else ""
    return f"{where(path or 'settings')}: {message[:1].lower()}{message[1:]}, got {first['input']!r:.80}{hint}"


def _near(path: list[str]) -> str:
    """The settings that a misspelt one may mean, with their full paths: those of its section that are spelt like it, or
    those of its name anywhere."""
    section: type[BaseModel] | None = Config
    for part in path[:-1]:  # the name of a pool is none of a field's, and its settings are those of any pool
        known = section.model_fields if section is not None else {}
        section = _section_in(known[part].annotation) if part in known else section
    here = list(section.model_fields) if section is not None else []
    near = [".".join([*path[:-1], name]) for name in get_close_matches(path[-1], here, 3, 0.6)] or [
        name for name in _paths(Config) if get_close_matches(path[-1], [name.rpartition(".")[2]], 1, 0.8)
    ]
    if near:
        return f"did you mean {' or '.join(near[:3])}?"
    return f"settings here: {', '.join(here)}" if here else f"{'.'.join(path[:-1])} is a value, not a section"


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a setting holds: itself, one or none, or by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_in(inner)) is not None), None)


def _paths(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The full paths of all settings but those of pools."""
    for name, info in section.model_fields.items():
        yield prefix + name
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _paths(inner, f"{prefix}{name}.")
