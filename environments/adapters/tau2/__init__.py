"""Domains of an installed tau2 (tau2-bench): ``tau2:retail``.

With custom hints ``tau2:retail@hints.yaml``, with another database ``tau2:retail@db.json``, with another way to look
knowledge up ``tau2:banking_knowledge@bm25``.

In: the name of a tau2 domain, and hints. Out: a ``Domain`` class whose tools run in tau2's own environment.
``bench.py`` lends one live environment to one world at a time, ``tables.py`` maps its database to records,
``naming.py`` derives domain types from names, ``ground.py`` replays with tau2's own semantics. tau2 is imported when
such a domain is asked for, and is no dependency; its files and verdicts are not handled here but in ``t2t_dist/tau2``.
Read domain.py first.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import os
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from ...base import Domain
from ...registry import UnknownDomain
from .domain import OWN_DATABASE
from .domain import Tau2Domain as Tau2Domain
from .ground import Ground as Ground
from .naming import Hints, load_hints

#: The folder of built-in hints.
_HINTS = Path(__file__).parent
#: The modules with rules, by domain.
_RULES = {"airline": "rules_airline", "retail": "rules_retail"}
_DATABASES = (".json", ".toml")
#: The argument of a domain's constructor that says how knowledge is looked up.
_RETRIEVAL = "retrieval_variant"


@lru_cache(maxsize=16)
def domain(rest: str) -> type[Domain]:
    """The domain class for the part after ``tau2:``.

    Raises:
        UnknownDomain: tau2 is not installed or can't be imported, it has no such domain, or the hints can't be read or
            do not fit it.
    """
    name, _, given = rest.partition("@")
    registry = _registry(rest)
    known = sorted(registry.get_domains())
    own = name.removesuffix(OWN_DATABASE) if name not in known else name
    if own != name and own in known:
        if not given:
            raise UnknownDomain(
                f"domain 'tau2:{rest}': its tasks are set in a database of their own; name its file, as in"
                f" --domain tau2:{name}@db_generated.json"
            )
        name = own
    if name not in known:
        near = get_close_matches(name, known, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"
        raise UnknownDomain(f"domain 'tau2:{rest}': the installed tau2 has no domain '{name}'; {hint}")
    try:
        hints = _hints(name, given)
        make = _with_options(name, registry.get_env_constructor(name), hints)
    except ValueError as error:
        raise UnknownDomain(f"domain 'tau2:{rest}': {error}") from None
    made = adapted(f"tau2:{rest}", make, hints)
    if name in _RULES:
        rules = importlib.import_module(f".{_RULES[name]}", __name__)
        made.rule_list, made.quotes = rules.RULES, rules.QUOTES
    return made


def _hints(name: str, given: str) -> Hints:
    """The hints for what stands behind the ``@``: a file of them, a database, a way to look knowledge up, nothing."""
    if not given:
        return _shipped(name)
    file = Path(given)
    if file.suffix in _DATABASES:
        return _shipped(name).model_copy(update={"database": given})
    if not file.suffix and file.name == given and not file.exists():
        shipped = _shipped(name)
        return shipped.model_copy(update={"options": shipped.options | {_RETRIEVAL: given}})
    return load_hints(file)


def _with_options(name: str, make: Callable[..., Any], hints: Hints) -> Callable[..., Any]:
    """tau2's constructor of an environment, with the hints' database and options. Raises ValueError: it takes none."""
    taken = inspect.signature(make).parameters
    wanted = [*hints.options, *(["db"] if hints.database else [])]
    if strange := [option for option in wanted if option not in taken]:
        raise ValueError(f"tau2's {name} takes no '{strange[0]}', only {', '.join(taken)}")
    if hints.database is None:
        return partial(make, **hints.options) if hints.options else make
    if not Path(hints.database).is_file():
        raise ValueError(f"{hints.database}: no such file; a file with a database, or with hints, is needed")
    kind: list[Any] = []

    def build() -> Any:
        if not kind:
            kind.append(type(make(**hints.options).tools.db))
        return make(db=kind[0].load(hints.database), **hints.options)

    return build


def adapted(called: str, build: Any, found: Hints) -> type[Tau2Domain]:
    """A domain class for a function that builds an environment of tau2, or one with the same interface."""

    class Adapted(Tau2Domain):
        name = called
        summary = f"{called.partition(':')[2].partition('@')[0]}, a domain of tau2-bench"
        make = staticmethod(build)
        hints = found

        def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
            try:
                super().__init__(seed=seed, scale=scale)
            except Exception as error:  # its constructors load databases, indices and models
                text = " ".join(str(error).split())[:300]
                if isinstance(error, ImportError):
                    text += "; install what tau2-bench needs for it: for banking_knowledge its extra, knowledge"
                raise ValueError(f"tau2 can't load its database: {type(error).__name__}: {text}") from error

    return Adapted


def _shipped(name: str) -> Hints:
    file = _HINTS / f"{name}.yaml"
    return load_hints(file) if file.exists() else Hints()


def _registry(rest: str) -> Any:
    """tau2's registry. Its logging, at least a line per tool call, is disabled."""
    # Prevents a network request at import, which is not needed here.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        from loguru import logger

        logger.disable("tau2")
        from tau2.registry import registry
    except ImportError as error:
        missing = "tau2 is not installed here" if _absent() else f"tau2 can't be imported ({error})"
        raise UnknownDomain(
            f"domain 'tau2:{rest}': {missing}; install tau2-bench from its repository, Python 3.12 or newer"
        ) from None
    return registry


def _absent() -> bool:
    try:
        importlib.metadata.version("tau2")
    except importlib.metadata.PackageNotFoundError:
        return True
    return False
