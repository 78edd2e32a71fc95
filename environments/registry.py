"""Registry of domains by name: built-in ones, installed ones (entry points), adapters, and ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import entry_points
from types import ModuleType

from .base import Domain
from .search_path import domain_module
from .splits import SPLITS, name_and_split, seed_in

#: Entry point group of domains in installed packages.
GROUP = "t2t_dist.domains"
BUILT_IN = {
    "airline": "t2t_dist.environments.airline:Airline",
    "retail": "t2t_dist.environments.retail:Retail",
    "telecom": "t2t_dist.environments.telecom:Telecom",
}
#: Adapters, for domains named ``KIND:WHAT``: functions from WHAT to a domain class. They raise ``ValueError`` or
#: ``UnknownDomain`` with one line that says what is wrong with WHAT.
ADAPTERS = {
    "mcp": "t2t_dist.environments.adapters.mcp.domain:domain",
    "tau2": "t2t_dist.environments.adapters.tau2:domain",
}


class UnknownDomain(LookupError):
    """Raised when there is no such domain; the message names near matches."""


def names() -> list[str]:
    """The names of all built-in and installed domains, sorted."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def find(name: str) -> type[Domain]:
    """The domain class of a name, ``package.module:attribute`` or an adapter's ``KIND:WHAT``, each with or without a
    split (``retail:test``).

    Raises:
        UnknownDomain: no such name, module or attribute, or it is not a Domain.
        ValueError: an adapter can't make a domain from it.
    """
    name, _ = name_and_split(name)
    kind, colon, what = name.partition(":")
    if colon and kind in ADAPTERS:
        return _adapted(kind, what)
    target = BUILT_IN.get(name)
    if target is None and ":" in name:
        head, _, tail = name.rpartition(":")
        if head in names() or ":" in head:
            raise UnknownDomain(f"domain '{head}' has no '{tail}': its splits are {', '.join(SPLITS)}")
        target = name
    if target is None:
        for point in entry_points(group=GROUP):
            if point.name == name:
                target = point.value
    if target is None:
        if hint := _without_class(name):
            raise UnknownDomain(f"domain '{name}': {hint}")
        near = get_close_matches(name, names(), 3, 0.5)
        hint = f"did you mean {' or '.join(near)}" if near else f"known: {', '.join(names())}"
        raise UnknownDomain(f"there is no domain '{name}' ({hint}); a custom domain is named package.module:attribute")
    module_name, _, attribute = target.partition(":")
    try:
        module = domain_module(module_name)
    except Exception as error:  # whatever the module's own code raises
        # A SyntaxError's own text names the file by half; its line is added where the error is reported.
        problem = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
        top = module_name.partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and error.name == top:
            problem += f"; {_where(top)}"
        raise UnknownDomain(f"domain '{name}': '{module_name}' can't be imported: {problem}") from error
    found = getattr(module, attribute, None)
    if found is None:
        there = _domains_in(module)
        hint = f"; there is {' and '.join(there)}" if there else ""
        raise UnknownDomain(f"domain '{name}': {module_name} has no '{attribute}'{hint}")
    if not (isinstance(found, type) and issubclass(found, Domain)):
        raise UnknownDomain(f"domain '{name}': {target} is not a subclass of Domain")
    return found


def _without_class(name: str) -> str:
    """What to do about ``desk.domain``, ``desk/domain.py`` or ``desk.domain.Desk``; empty for a plain name."""
    path = name.removesuffix(".py").replace(os.sep, ".")
    if "." not in path and not os.path.isdir(path):
        return ""
    for candidate in (path, f"{path}.domain", path.rpartition(".")[0]):
        try:
            there = _domains_in(domain_module(candidate))
        except Exception:  # a guess, and whatever the module's own code raises
            continue
        if there:
            return f"did you mean {' or '.join(there)}?"
    top = path.partition(".")[0]
    where = "" if os.path.isdir(top) else f"; {_where(top)}"
    return f"a custom domain is named with its class, package.module:Class{where}"


def _where(top: str) -> str:
    if os.path.basename(os.getcwd()) == top:
        return f"you are inside the folder {top}: go to the one above it (cd ..), and name it from there"
    return f"there is no {top} in {os.getcwd()}, nor among the installed packages"


def _domains_in(module: ModuleType) -> list[str]:
    """The domains that a module defines, as they are named."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Domain)]
    return [f"{module.__name__}:{kind.__name__}" for kind in kinds if kind.__module__ == module.__name__]


def _adapted(kind: str, what: str) -> type[Domain]:
    module_name, _, attribute = ADAPTERS[kind].partition(":")
    adapted: type[Domain] = getattr(importlib.import_module(module_name), attribute)(what)
    return adapted


@lru_cache(maxsize=8)
def load(name: str, seed: int = 0, scale: float = 1.0) -> Domain:
    """The domain, built once per process and (name, seed, scale). Raises UnknownDomain, ValueError (the seed, -OO)."""
    if sys.flags.optimize > 1:
        raise ValueError("Python's option -OO (PYTHONOPTIMIZE=2) removes the docstrings that describe its tools")
    split = name_and_split(name)[1]
    return find(name)(seed=seed if split is None else seed_in(split, seed), scale=scale)
