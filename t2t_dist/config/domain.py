"""Loading the domain that a run's settings name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

from t2t_dist.core.errors import InputError, place_in_domain
from t2t_dist.environments import registry
from t2t_dist.environments.base import Domain
from t2t_dist.environments.registry import UnknownDomain

from .settings import Config


def load_domain(config: Config) -> Domain:
    """The config's domain. Raises InputError: unknown name (with near matches), broken module, words or code."""
    with domain_errors(config.domain):
        domain = registry.load(config.domain, config.domain_seed, config.scale)
        domain.fingerprint  # noqa: B018 - reads policy, language and database, so errors in them show here
    return domain


@contextmanager
def domain_errors(name: str) -> Iterator[None]:
    """Turns whatever a domain's code raises into InputError, which names the domain's file once, with the line."""
    try:
        yield
    except UnknownDomain as error:
        place = place_in_domain(error.__cause__) if error.__cause__ is not None else ""
        raise InputError(f"{error}, at {place}" if place else str(error)) from None
    except Exception as error:
        said, place = " ".join(str(error).split())[:600], place_in_domain(error)
        if isinstance(error, OSError) and not place and isinstance(error.filename, str):
            raise InputError(f"domain '{name}': {error.filename}: {error.strerror}; a domain needs this file") from None
        if isinstance(error, ValueError) and not place:
            raise InputError(f"domain '{name}': {said}") from None  # about its language.yaml, an adapter's file, a seed
        said = f"{_place(name, error)}: {type(error).__name__}: {said}"
        raise InputError(f"domain '{name}': {said}; t2t check-domain {name} examines it") from None


def _place(name: str, error: Exception) -> str:
    """Where in the domain's code an error comes from; if none of it ran, where its class is."""
    if found := place_in_domain(error):
        return found
    try:
        kind = registry.find(name)
        return f"{inspect.getsourcefile(kind)}:{inspect.getsourcelines(kind)[1]}"
    except Exception:  # an adapter's class has no source
        return name
