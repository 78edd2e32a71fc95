"""The consoles: the one way of text to the terminal. What comes from outside is cleaned here, keys included."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable
from typing import Any

import orjson
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.text import Text

from t2t_dist.core.printing import clean, keep_secret, masked, one_line, printable


class CleanConsole(Console):
    """A console that prints no control character but its own, and no key: see :mod:`t2t_dist.core.printing`."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        # Texts before they are wrapped: a key over two lines would not be recognised.
        if isinstance(renderable, str):
            renderable = clean(renderable)
        elif isinstance(renderable, Text):
            renderable = _cleaned(renderable)
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(clean(segment.text), segment.style)


out_console = CleanConsole(highlight=False, width=None if sys.stdout.isatty() else 120)
err_console = CleanConsole(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)


def _cleaned(text: Text) -> Text:
    plain = clean(text.plain)
    if plain == text.plain:
        return text
    if len(plain) != len(text):  # a key was masked: styles of parts have lost their place
        return Text(plain, text.style, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap, end=text.end)
    cleaned = text.copy()
    cleaned.plain = plain
    return cleaned


def escaped(text: str) -> str:
    """Text from outside as a part of a line with markup: as it is, brackets included, and on that line."""
    return escape(one_line(text))


def cell(text: str, style: str = "") -> Text:
    """Text from outside in a cell of a table: no part of it begins a row of its own."""
    return Text(one_line(text), style)


def note_line(note: str) -> Text:
    """A note on what a command has read."""
    return Text("note: ", "yellow").append(one_line(note), "default")


def print_line(line: str, *, out: bool = False) -> None:
    """Print a line to stderr, or to stdout, as it is: a console would wrap it and expand its tabs."""
    print(clean(line), file=sys.stdout if out else sys.stderr, flush=True)


#: Names of environment variables that hold a key, whatever it is for.
_NAMES_KEY = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)


def keep_keys() -> None:
    """Mask the keys in the environment from now on: a stored run may repeat one that this command does not use."""
    for name, value in os.environ.items():
        if _NAMES_KEY.search(name):
            keep_secret(value.strip())


class LogHandler(logging.Handler):
    """Prints warnings of the log."""

    def emit(self, record: logging.LogRecord) -> None:
        print_line(one_line(record.getMessage()))
        if record.exc_info:
            print_line(logging.Formatter().formatException(record.exc_info))


#: What JSON may hold as it is, and a terminal may not get: it is written as ``\\uXXXX``.
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


def print_json(value: Any) -> None:
    """Print one line of JSON to stdout: any program reads from it what it is, and no terminal acts on it."""

    def written(match: re.Match[str]) -> str:
        character = match[0]
        if printable(character) == character:
            return character
        return "".join(f"\\u{unit:04x}" for unit in memoryview(character.encode("utf-16-le")).cast("H"))

    line = orjson.dumps(_without_keys(value)).decode()
    sys.stdout.write(_UNPRINTABLE.sub(written, line) + "\n")
    sys.stdout.flush()


def _without_keys(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    if isinstance(value, dict):
        return {_without_keys(key): _without_keys(item) for key, item in value.items()}
    return [_without_keys(item) for item in value] if isinstance(value, list | tuple) else value
