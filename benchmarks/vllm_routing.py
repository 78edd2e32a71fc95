"""Effect of routing on the prefix caches of two real vLLM servers. Needs vLLM; no GPU.

    python -m benchmarks.vllm_routing --model DIR [--python .venv-vllm/bin/python] [--template FILE] [--quick]

Conversations that grow, with a system prompt that all share, over two servers: each kept on one by our router, through
the client and the pool that episodes use, or placed at random for each request; and on one server with the cache of
both. The share of prompt tokens that came out of the prefix cache, by the servers' own metrics.

Twice: *roomy*, where each cache holds all conversations of the run, so that a random placement loses little (all share
the system prompt, and a conversation that comes back finds an older prefix), and *tight*, where a server's cache holds
just the conversations that fall to it, as on engines that are given as many as they can take: there a random placement
needs every conversation on both, and they push one another out. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.vllm_utilisation import KEY, arguments, ask, counts, emptied, engine_of, run
from t2t_dist.config.engines import PoolConfig
from t2t_dist.config.settings import ModelSettings
from t2t_dist.models.chat import Conversation
from t2t_dist.models.clients import Models
from t2t_dist.models.fleet_view import EngineView, FleetView, PoolView
from t2t_dist.models.routing import Router

#: Room in a tight cache, over what the conversations that fall to its server come to in the end.
SPARE = 1.0


class AtRandom:
    """A picker that knows nothing: any engine for each request."""

    class Choice(NamedTuple):
        engine: str
        moved: str | None = None

    def __init__(self, seed: int) -> None:
        self._rng, self._engines = random.Random(seed), list[str]()

    def set_engines(self, usable: Mapping[str, bool]) -> None:
        self._engines = sorted(usable)

    def route(self, key: str) -> Any:
        return self.Choice(self._rng.choice(self._engines)) if self._engines else None

    def done(self, key: str, engine: str, outcome: Any) -> None: ...

    def forget(self, key: str) -> None: ...


class Talk(NamedTuple):
    """The conversations: each prompt is a system prompt that all share, and what was said so far."""

    at_once: int
    turns: int
    tokens: int  #: that the model says per turn

    def sentences(self, number: int) -> list[str]:
        """What the customer of a conversation says, about 90 tokens per turn, different from all others."""
        rng = random.Random(number)
        return [" ".join(rng.choices(_WORDS, k=60)) for _ in range(self.turns)]


_TEXT = (
    "about after again always around because before better between bring carry change close could different "
    "every family follow found great group house important large learn letter light little money morning "
    "mother mountain never night often order other paper people picture place plant point question river "
    "school second sentence should small something sound spell start state still story study talk thing think "
    "three through together"
)
_WORDS = _TEXT.split()
_SYSTEM = " ".join(random.Random(0).choices(_WORDS, k=280))


async def hit_rate(urls: list[str], model: str, picker: Any, talk: Talk) -> float:
    """The share of prompt tokens out of the caches; the same conversations each time, begun a moment apart."""
    emptied(urls)
    before = [counts(url) for url in urls]
    sampling = {"agent": {"max_tokens": talk.tokens, "temperature": 0.0, "ignore_eos": True}}
    models = Models(
        ModelSettings(sampling=sampling), {"it": PoolConfig(model=model, urls=urls)}, lambda seed: picker(1)
    )
    views = {f"e{n}": EngineView(url, True, talk.at_once, KEY) for n, url in enumerate(urls)}
    models.update(FleetView(1, {"it": PoolView(views)}))
    chat = models.chat("pool:it", "agent")

    async def converse(number: int) -> None:
        await asyncio.sleep(0.1 * number)
        conversation = Conversation(key=f"conversation-{number}/agent")
        conversation.system(_SYSTEM)
        for sentence in talk.sentences(number):
            conversation.user(sentence)
            conversation.assistant(await chat.complete(conversation, seed=number))

    await asyncio.gather(*(converse(number) for number in range(talk.at_once)))
    await models.close()
    after = [counts(url) for url in urls]
    asked, hit = (sum(b[name] - a[name] for a, b in zip(before, after, strict=True)) for name in _PREFIX)
    return hit / asked


_PREFIX = ("prefix_queries", "prefix_hits")


# -- the whole ---------------------------------------------------------------------------------------------------------
async def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    talk, rounds = Talk(given.at_once, given.turns, 16), 1 if given.quick else 2
    found: dict[str, Any] = {**talk._asdict(), "rounds": rounds}

    async def rate(urls: list[str], picker: Any) -> float:
        return statistics.mean([await hit_rate(urls, given.model, picker, talk) for _ in range(rounds)])

    async def case(name: str, alone: dict[str, Any], each: dict[str, Any]) -> int:
        args = [alone, each, each]
        engines = [engine_of(given, folder, f"{name}{n}", **{**_SMALL, **args[n]}) for n in range(3)]
        try:
            one = (await engines[0].start()).url
            hits = {"one_engine": await rate([one], Router)}
            longest = counts(one)["prefix_queries"]
            await engines[0].stop()  # servers that wait cost a small machine something too
            two = [(await engine.start()).url for engine in engines[1:]]
            found[name] = {"cache_tokens": math.prod(cache_of(two[0]))}
            hits |= {"ours": await rate(two, Router), "random": await rate(two, AtRandom)}
        finally:
            for engine in engines:
                await engine.stop()
        found[name] |= {
            "prefix_hit_rate": {who: round(share, 4) for who, share in hits.items()},
            "times_random": round(hits["ours"] / hits["random"], 2),
            "points_below_one_engine": round(100 * (hits["one_engine"] - hits["ours"]), 1),
        }
        return round(longest / rounds)

    # Prompts of a conversation grow evenly from the shared part, so their sum tells how long the last one is.
    asked = await case("roomy", {}, {})
    mean = asked / (talk.at_once * talk.turns)
    found["shared_tokens"], found["mean_prompt"] = given.shared, round(mean)
    own = 2 * (mean - given.shared)
    tokens = SPARE * own * talk.at_once / 2 + given.shared
    blocks = math.ceil(tokens / _BLOCK)
    await case("tight", {"num-gpu-blocks-override": 2 * blocks}, {"num-gpu-blocks-override": blocks})
    return found


#: Tokens a block: what is cached is whole blocks.
_BLOCK = 32
_SMALL = {"block-size": _BLOCK, "max-model-len": 3072}


def cache_of(url: str) -> tuple[int, int]:
    """Tokens a block of a server's cache, and its blocks."""
    info = re.search(r"vllm:cache_config_info\{([^}]*)\}", ask(url, "/metrics"))
    assert info is not None, "the server tells nothing of its cache"
    labels: Mapping[str, str] = dict(re.findall(r'(\w+)="([^"]*)"', info[1]))
    return int(labels["block_size"]), int(labels["num_gpu_blocks"])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--at-once", type=int, default=24, help="conversations")
    parser.add_argument("--turns", type=int, default=12, help="of the model, in each")
    parser.add_argument("--shared", type=int, default=380, help="tokens of the system prompt, about")
    given = parser.parse_args()
    run("vllm_routing", measure, given)


if __name__ == "__main__":
    main()
