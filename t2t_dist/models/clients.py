"""Cache of the clients of one process: one per chat model and sampling settings, shared by all its episodes.

Names of models are parsed in :mod:`t2t_dist.config.model_names`; :mod:`t2t_dist.models.endpoints` makes the client of
each kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import orjson

from t2t_dist.config.engines import PoolConfig
from t2t_dist.config.model_names import CHAT_FORMS, SEATS, ModelName, parse_model
from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.errors import InputError

from .chat import ChatModel, Probed
from .endpoints import Shared, maker_of
from .fleet_view import FleetView, Held
from .metering import Meter, Metered
from .openai import OpenAIChat, OpenAIOptions
from .pool import Pooled
from .recorded import Recorder
from .routing import Router


class Models:
    """The models of one process. Clients are made on first use and shared; :meth:`close` closes them.

    Args:
        settings: how models are asked.
        pools: the pools of the run, by name.
        make_router: makes the router that chooses a pool's engines, from a seed.

    Raises:
        InputError: sampling for a seat that does not exist.
    """

    def __init__(
        self,
        settings: ModelSettings | None = None,
        pools: Mapping[str, PoolConfig] | None = None,
        make_router: Callable[[int], Router] = Router,
    ) -> None:
        self.settings, self.pools, self._make_router = settings or ModelSettings(), pools or {}, make_router
        self.meter = Meter()
        self._balancers: dict[str, Pooled] = {}
        self._fleet = FleetView()
        for seat in self.settings.sampling:
            if seat not in SEATS:
                near = get_close_matches(seat, SEATS, 1)
                hint = f", did you mean {near[0]}?" if near else ""
                raise InputError(f"sampling is given for the seat '{seat}'{hint}; seats are {', '.join(SEATS)}")
        self._chats: dict[tuple[ModelName, bytes], ChatModel] = {}
        self._endpoints: list[Probed] = []
        self._shared = Shared(self.settings, self.pools, self._balancer)

    def chat(self, name: str, seat: str) -> ChatModel:
        """The client of a chat model; one for each name and sampling.

        Raises:
            InputError: no chat model's name, unreadable recording, unusable URL, key variable or sampling.
        """
        parsed = parse_model(name, seat)
        sampling = self.settings.sampling.get(seat, {}) if parsed.is_live else {}
        key = (parsed, orjson.dumps(sampling, option=orjson.OPT_SORT_KEYS))
        chat = self._chats.get(key)
        if chat is None:
            chat = self._chats[key] = self._make(name, parsed, sampling)
        return chat

    def _make(self, name: str, parsed: ModelName, sampling: dict[str, Any]) -> ChatModel:
        if not parsed.is_chat:
            raise InputError(f"model '{name}' is no chat model; give {' or '.join(CHAT_FORMS)}")
        chat = maker_of(parsed.kind)(parsed, sampling, self._shared)
        if not parsed.is_live:
            return chat
        if parsed.pool is None and isinstance(chat, Probed):
            self._endpoints.append(chat)
        metered = Metered(chat, self.meter, parsed.label)
        return metered if self.settings.record is None else Recorder(metered, self.settings.record)

    def _balancer(self, pool: str) -> Pooled:
        """The balancer of a pool, shared by all its clients."""
        balancer = self._balancers.get(pool)
        if balancer is None:
            router = self._make_router(random.getrandbits(32))  # two workers' routers should differ
            balancer = self._balancers[pool] = Pooled(pool, router, self.settings.patience_s)
            if pool in self._fleet.pools:
                balancer.update(self._fleet.pools[pool])
        return balancer

    def update(self, fleet: FleetView) -> None:
        """Take the driver's latest view of the pools."""
        self._fleet = fleet
        for pool, view in fleet.pools.items():
            if pool in self._balancers:
                self._balancers[pool].update(view)

    def forget(self, key: str) -> None:
        """A conversation is over: its routing state may be dropped."""
        for balancer in self._balancers.values():
            balancer.forget(key)

    def carries_reasoning(self, name: str, seat: str) -> bool:
        """Whether a model is sent its own reasoning of earlier turns."""
        if self.settings.carry_reasoning is not None:
            return self.settings.carry_reasoning
        view = self._fleet.pools.get(parse_model(name, seat).pool or "")
        return view is None or view.carry_reasoning

    async def probe(self, wanted: Iterable[tuple[str, str]] = ()) -> None:
        """Check, before a run depends on them, that the models answer: ``wanted`` (name, seat) and all clients so far.

        Raises:
            InputError: one line: a wrong name or key, an endpoint that can't be reached or refuses, an unknown model.
        """
        for name, seat in wanted:
            parsed = parse_model(name, seat)
            if parsed.is_chat and parsed.pool is None:
                self.chat(name, seat)
        for chat in {chat.name: chat for chat in self._endpoints}.values():
            await chat.probe()
        for config in self.pools.values():
            await self._probe_pool(config)

    async def _probe_pool(self, config: PoolConfig) -> None:
        """Raises InputError, about the first endpoint, where none of a pool's endpoints can be used."""
        problems = []
        for url in config.urls:
            chat = OpenAIChat(OpenAIOptions(config.model, url, config.api_key_env))
            try:
                await chat.probe()
            except InputError as problem:
                problems.append(problem)
            finally:
                await chat.close()
        if problems and len(problems) == len(config.urls) and not config.hosted().max:
            raise problems[0]

    def held(self) -> dict[str, Held]:
        """Per engine: requests on it now, and how those that ended since the last call of this did."""
        held: dict[str, Held] = {}
        for balancer in self._balancers.values():
            held |= balancer.held()
        return held

    async def close(self) -> None:
        """Close all clients. Idempotent."""
        chats, self._chats, self._endpoints = list(self._chats.values()), {}, []
        for chat in chats:
            await chat.close()
