"""Loading the domain that a run's settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from t2t_dist.core.errors import InputError, defect_line
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
    """Turns whatever a domain's code raises into InputError."""
    try:
        yield
    except UnknownDomain as error:
        raise InputError(str(error)) from None
    except (ValueError, OSError) as error:
        raise InputError(f"domain '{name}': {error}") from None
    except Exception as error:
        raise InputError(f"domain '{name}' broke: {defect_line(error)}; t2t check-domain {name} examines it") from None
