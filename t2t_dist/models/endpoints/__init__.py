"""The makers of clients: one file per kind of endpoint in the registry (``t2t_dist/config/model_names.py``).

``endpoints/KIND.py`` holds ``make``, a :data:`Maker`; it is found by the kind's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from t2t_dist.config.engines import PoolConfig
from t2t_dist.config.model_names import ModelName
from t2t_dist.config.settings import ModelSettings

from ..chat import ChatModel
from ..pool import Balancer


@dataclass(frozen=True)
class Shared:
    """What the clients of one process share: settings, pools by name, and the one balancer of each pool."""

    settings: ModelSettings
    pools: Mapping[str, PoolConfig]
    balancer: Callable[[str], Balancer]


#: Makes the client of a name, with the sampling fields of its seat. Raises InputError for what can't be used.
Maker = Callable[[ModelName, Mapping[str, Any], Shared], ChatModel]


def maker_of(kind: str) -> Maker:
    """The maker of a kind in the registry."""
    return cast(Maker, import_module(f"{__name__}.{kind}").make)
