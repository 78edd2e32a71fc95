"""Registry of the models that a seat can name, and the parser of their names, ``KIND:WHAT``.

To add a kind of endpoint: an entry in :data:`ENDPOINTS` here, the maker of its client in
``t2t_dist/models/endpoints/KIND.py``, and a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal, NamedTuple

from t2t_dist.core.errors import InputError

from .engines import endpoint_url

#: Names of the scripted agents.
SCRIPTS = (
    "oracle", "hasty", "stubborn", "compliant", "silent", "literal", "one_look", "one_change", "sums", "skimmer",
    "gullible", "obedient",
    "idle", "liar", "naysayer", "passer", "guess-first", "guess-second", "guess-last",
)  # fmt: skip

#: What each seat takes besides chat models: they only compute, and no model is asked.
_BUILT_IN: dict[str, tuple[str, ...]] = {
    "agent": tuple(f"scripted:{script}" for script in SCRIPTS),
    "user": ("scripted",),
    "explorer": ("graph",),
    "writer": ("template",),
    "judge": (),
    "grader": (),
}
_BUILT_IN_KINDS = frozenset(form.partition(":")[0] for forms in _BUILT_IN.values() for form in forms)


@dataclass(frozen=True)
class EndpointKind:
    """A kind of chat model, which may take any seat.

    Args:
        form: its names as help and messages show them.
        needs: what has to follow the colon, and ``hint`` more about that, for the message about a name without it.
        pattern: of what follows the colon; groups ``what`` and, where a name holds an address, ``url``.
        pool: ``named``: WHAT is a pool under ``pools``; ``own``: the model gets its own pool, with the settings of
            ``engine``; ``None``: there are no engines to balance over.
        live: whether a model computes the answers: it is sent the sampling fields, and its calls are counted.
    """

    form: str
    needs: str
    hint: str
    pattern: re.Pattern[str] = re.compile(r"(?P<what>.+)", re.DOTALL)
    pool: Literal["named", "own"] | None = None
    live: bool = True


#: The kinds of endpoint by name; a name of one of these kinds is a chat model's, any other is built in.
ENDPOINTS: dict[str, EndpointKind] = {
    "recorded": EndpointKind("recorded:FILE", "a file", "a file written with --set models.record=FILE", live=False),
    "openai": EndpointKind(
        "openai:MODEL@URL",
        "a model and a URL",
        "for example openai:my-model@http://127.0.0.1:8000/v1",
        pattern=re.compile(r"(?P<what>.+?)@(?P<url>(?i:https?)://.+)", re.DOTALL),
    ),
    "vllm": EndpointKind("vllm:MODEL", "a model", "a model's directory or name", pool="own"),
    "pool": EndpointKind("pool:NAME", "a name", "a name under 'pools'", pool="named"),
}
CHAT_FORMS = tuple(kind.form for kind in ENDPOINTS.values())

#: The forms of name that each seat takes.
SEATS: dict[str, tuple[str, ...]] = {seat: (*forms, *CHAT_FORMS) for seat, forms in _BUILT_IN.items()}


class ModelName(NamedTuple):
    """A parsed name: ``what`` is the script, the file, the model or the pool; ``url`` the endpoint's."""

    kind: str
    what: str = ""
    url: str = ""

    @property
    def endpoint(self) -> EndpointKind | None:
        """The kind of chat model, ``None`` for what is built in."""
        return ENDPOINTS.get(self.kind)

    @property
    def is_chat(self) -> bool:
        """Whether a :class:`~t2t_dist.models.chat.ChatModel` stands behind it."""
        return self.endpoint is not None

    @property
    def is_live(self) -> bool:
        """Whether a model computes the answers, rather than a script or a recording."""
        return self.endpoint is not None and self.endpoint.live

    @property
    def pool(self) -> str | None:
        """The pool that answers: ``NAME`` for ``pool:NAME``, the whole name for ``vllm:MODEL``, else ``None``."""
        if self.endpoint is None or self.endpoint.pool is None:
            return None
        return self.what if self.pool_is_named else f"{self.kind}:{self.what}"

    @property
    def pool_is_named(self) -> bool:
        """Whether the pool is one under ``pools``, rather than the model's own."""
        return self.endpoint is not None and self.endpoint.pool == "named"

    @property
    def label(self) -> str:
        """What its calls are counted under: its pool, or the endpoint as ``openai:MODEL@URL`` with a tidied URL.

        Raises:
            InputError: the URL can't be used.
        """
        return self.pool or f"{self.kind}:{self.what}" + (f"@{endpoint_url(self.url)}" if self.url else "")


@lru_cache(maxsize=256)
def parse_model(name: str, seat: str) -> ModelName:
    """Parse a name, and check that the seat takes it.

    Raises:
        InputError, one line: unknown name, or not for this seat; with near matches.
    """
    forms = SEATS[seat]
    kind, _, rest = name.strip().partition(":")
    endpoint = ENDPOINTS.get(kind)
    if endpoint is not None:
        match = endpoint.pattern.fullmatch(rest)
        if match is None:  # ``rest`` is not repeated: it may hold a password
            no_scheme = "://" not in rest and rest.partition("@")[2]
            missing = "http:// or https:// before the host" if no_scheme else endpoint.needs
            raise InputError(f"{seat} model '{kind}' needs {missing}: {endpoint.form}, {endpoint.hint}")
        return ModelName(kind, **match.groupdict())
    if name in forms:
        return ModelName(kind, rest)
    raise InputError(f"{seat} model '{name}' is not known here{_near(name, forms)}; {seat} takes {_listed(forms)}")


def is_built_in(name: str) -> bool:
    """Whether a name stands for a script, the graph or the templates, which ask no model. Never raises."""
    return name.partition(":")[0] in _BUILT_IN_KINDS


def _near(name: str, forms: tuple[str, ...]) -> str:
    """``, did you mean ...?`` where a form is close, or a script without its kind, or a kind without its rest."""
    if name in _BUILT_IN_KINDS:  # spelt well, and meant for another seat
        return ""
    candidates = {form.removeprefix("scripted:"): form for form in forms} | {form: form for form in forms}
    kinds = {kind: endpoint.form for kind, endpoint in ENDPOINTS.items()}
    for given, known in ((name, candidates), (name.partition(":")[0], kinds)):
        if near := get_close_matches(given, known, 1, 0.6):
            return f", did you mean {known[near[0]]}?"
    return ""


def _listed(forms: tuple[str, ...]) -> str:
    return f"{', '.join(forms[:-1])} or {forms[-1]}"
