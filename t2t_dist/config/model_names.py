"""Names of models as users write them, ``KIND:WHAT``, and which seats each may take."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from t2t_dist.core.errors import InputError

from .engines import endpoint_url

#: The scripted agents.
SCRIPTS = ("oracle", "hasty", "stubborn", "compliant", "silent")


_CHAT = ("recorded:FILE", "openai:MODEL@URL", "vllm:MODEL", "pool:NAME")


#: The forms of name that each seat takes.
SEATS: dict[str, tuple[str, ...]] = {
    "agent": (*(f"scripted:{script}" for script in SCRIPTS), *_CHAT),
    "user": ("scripted", *_CHAT),
    "explorer": ("graph", *_CHAT),
    "writer": ("template", *_CHAT),
    "judge": _CHAT,
}


_OPENAI = re.compile(r"(?P<model>.+?)@(?P<url>https?://.+)", re.DOTALL)


class ModelName(NamedTuple):
    """A name taken apart: ``what`` is the script, the file or the model; ``url`` the endpoint's."""

    kind: str
    what: str = ""
    url: str = ""

    @property
    def is_chat(self) -> bool:
        """Whether a :class:`~t2t_dist.models.chat.ChatModel` stands behind it."""
        return self.kind in ("recorded", "openai", "vllm", "pool")


@lru_cache(maxsize=256)
def parse_model(name: str, seat: str) -> ModelName:
    """Take a name apart and check that it can sit there.

    Raises:
        InputError: no such name, or not for this seat; one line with the nearest names.
    """
    forms = SEATS[seat]
    kind, _, rest = name.strip().partition(":")
    if kind == "openai" and "openai:MODEL@URL" in forms:
        found = _OPENAI.fullmatch(rest)
        if found is None:
            raise InputError(
                f"{seat} model 'openai:...' needs a model and a URL:"
                f" openai:MODEL@URL, for example openai:my-model@http://127.0.0.1:8000/v1"
            )
        return ModelName(kind, found["model"], found["url"])
    if kind == "recorded" and "recorded:FILE" in forms:
        if not rest:
            raise InputError(f"{seat} model 'recorded' needs a file: recorded:FILE, a file written with --record")
        return ModelName(kind, rest)
    if kind in ("vllm", "pool") and forms[-1] == "pool:NAME":
        if not rest:
            what = "vllm:MODEL, a model's directory or name" if kind == "vllm" else "pool:NAME, a name under 'pools'"
            raise InputError(f"{seat} model '{kind}' needs more: {what}")
        return ModelName(kind, rest)
    if name in forms:
        return ModelName(kind, rest)
    raise InputError(f"{seat} model '{name}' is not known here{_near(name, forms)}; {seat} takes {_listed(forms)}")


def pool_name(name: str) -> str | None:
    """The pool that a model's name stands for: ``NAME`` of ``pool:NAME``, all of ``vllm:MODEL``, ``None`` of others."""
    kind, _, rest = name.strip().partition(":")
    return rest if kind == "pool" else name.strip() if kind == "vllm" else None


def pool_label(name: str) -> str:
    """What a chat model's calls are counted under: its pool, or the endpoint as ``openai:MODEL@URL``."""
    kind, _, rest = name.strip().partition(":")
    found = _OPENAI.fullmatch(rest) if kind == "openai" else None
    return pool_name(name) or (f"openai:{found['model']}@{endpoint_url(found['url'])}" if found else name.strip())


def _near(name: str, forms: tuple[str, ...]) -> str:
    """``, did you mean ...?`` where a form is close, or a script without its kind, or a kind without its rest."""
    if name in ("scripted", "graph", "template"):  # spelt well, and meant for another seat
        return ""
    candidates = {form.removeprefix("scripted:"): form for form in forms} | {form: form for form in forms}
    kinds = {form.partition(":")[0]: form for form in forms if form in _CHAT}
    for said, known in ((name, candidates), (name.partition(":")[0], kinds)):
        if near := get_close_matches(said, known, 1, 0.6):
            return f", did you mean {known[near[0]]}?"
    return ""


def _listed(forms: tuple[str, ...]) -> str:
    return f"{', '.join(forms[:-1])} or {forms[-1]}"
