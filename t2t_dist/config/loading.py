"""Loading settings: a file, then overrides from the command line, with errors that name the place."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import read_text

from .settings import Config


def load_config(file: str | None, overrides: dict[str, Any]) -> Config:
    """The config of a YAML file (or of none) with overrides on top, keyed by dotted path.

    Raises:
        InputError, one line: unreadable file, unknown key (with near matches), wrong value.
    """
    data: dict[str, Any] = {}
    if file is not None:
        try:
            data = yaml.safe_load(read_text(file)) or {}
        except OSError as error:
            raise InputError(f"config {file}: {error.strerror or error}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"config {file} is not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(data, dict):
            raise InputError(f"config {file} must be a mapping of settings, such as 'domain: retail'")
    for path, value in overrides.items():
        _put(data, path, value)
    try:
        config = Config.model_validate(data)
        config.model_dump_json()  # half a surrogate pair, which YAML can escape, can't be stored
        _check_numbers(config.model_dump(), file)
    except ValidationError as error:
        raise InputError(_explain(error, file)) from None
    except ValueError as error:
        where = f"config {file}" if file else "config"
        raise InputError(f"{where}: a text is not UTF-8 ({' '.join(str(error).split())[:120]}); correct it") from None
    return config


def _check_numbers(value: Any, file: str | None, path: str = "") -> None:
    """Raises InputError: a number that the manifest can't hold, which is JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, each in inner:
        _check_numbers(each, file, f"{path}.{name}" if path else str(name))
    whole = isinstance(value, int) and not -(2**63) <= value < 2**63
    if whole or (isinstance(value, float) and not math.isfinite(value)):
        where = f"config {file}" if file else "config"
        raise InputError(f"{where}: {path}: a finite number of at most 64 bits is needed, got {value!r:.80}")


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
        return path.strip(), yaml.safe_load(value) if value.strip() else ""
    except yaml.YAMLError:
        raise InputError(f"--set {text}: the value is not YAML; put it into quotes") from None


def _explain(error: ValidationError, file: str | None) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    where = f"config {file}: " if file else "config: "
    if first["type"] == "extra_forbidden":
        section: type[BaseModel] = Config
        for part in path[:-1]:
            inner = section.model_fields[part].annotation if part in section.model_fields else None
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                section = inner
        near = get_close_matches(path[-1], section.model_fields, 3, 0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"settings here: {', '.join(section.model_fields)}"
        return f"{where}there is no setting '{'.'.join(path)}'; {hint}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}{'.'.join(path) or 'settings'}: {message[:1].lower()}{message[1:]}, got {first['input']!r:.80}"
