"""What models cost: every call is counted once, where it is made, for the item and the stage it was made for."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from t2t_dist.core.errors import EngineTimeout, InputError
from t2t_dist.evaluation.costs import Price, costs_of, parse_prices
from t2t_dist.models.chat import Conversation, Reply, Usage
from t2t_dist.models.metering import Meter, Metered, spending, stage


class Model:
    """Answers with the given number of tokens, or not at all."""

    name = "openai:vendor/m|x@http://127.0.0.1:1/v1"  # a bar in a name must not matter

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    async def complete(
        self, conversation: Conversation, *, tools: bytes | None = None, seed: int = 0, seat: str = "agent"
    ) -> Reply:
        await asyncio.sleep(0)
        if self.fails:
            raise EngineTimeout("no answer")
        return Reply(
            "ok", usage=Usage(prompt_tokens=100, cached_tokens=40, completion_tokens=7), t_model=0.5, t_queue=0.25
        )

    async def close(self) -> None: ...


async def test_calls_are_counted_by_item_stage_and_seat_also_in_tasks_started_meanwhile() -> None:
    model, items = Metered(Model(), Meter(), "m"), [Counter[str](), Counter[str]()]

    async def ask(name: str, seat: str) -> None:
        with stage(name):
            await model.complete(Conversation(), seat=seat)

    async def item(counter: Counter[str], times: int) -> None:
        with spending(counter):
            await ask("convert", "writer")
            await asyncio.gather(*(asyncio.create_task(ask("rollout", "agent")) for _ in range(times)))
            await model.complete(Conversation(), seat="user")

    await asyncio.gather(item(items[0], 2), item(items[1], 5))
    for counter, times in zip(items, (2, 5), strict=True):
        costs = {(cost.stage, cost.seat): cost for cost in costs_of(counter)}
        assert list(costs) == [("convert", "writer"), ("rollout", "agent"), ("rollout", "user")]
        agent = costs["rollout", "agent"]
        assert (agent.model, agent.calls, agent.failed) == (Model.name, times, 0)
        assert (agent.prompt_tokens, agent.cached_tokens, agent.completion_tokens) == (
            100 * times,
            40 * times,
            7 * times,
        )
        assert (agent.model_s, agent.waited_s) == (0.5 * times, 0.25 * times)
        assert costs["convert", "writer"].calls == 1


async def test_a_call_without_an_answer_is_counted_and_one_for_nobody_is_not() -> None:
    counter = Counter[str]()
    with spending(counter), pytest.raises(EngineTimeout):
        await Metered(Model(fails=True), Meter(), "m").complete(Conversation(), seat="judge")
    (cost,) = costs_of(counter)
    assert (cost.seat, cost.calls, cost.failed, cost.prompt_tokens) == ("judge", 0, 1, 0)
    before = Counter(counter)
    await Metered(Model(), Meter(), "m").complete(Conversation())
    assert counter == before


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("vendor/m|x=2/30", (60 + 40) * 2 + 7 * 30),
        ("vendor/m|x=2/30/0.5", 60 * 2 + 40 * 0.5 + 7 * 30),
        (f"{Model.name}=1/0", 100.0),
        ("*=0/1", 7.0),
        ("other=1/1", None),
    ],
)
async def test_money_by_price(text: str, money: float | None) -> None:
    counter = Counter[str]()
    with spending(counter):
        await Metered(Model(), Meter(), "m").complete(Conversation())
    (cost,) = costs_of(counter, parse_prices([text]))
    assert cost.money == (None if money is None else pytest.approx(money / 1e6))
    assert costs_of(counter)[0].money is None


@pytest.mark.parametrize("text", ["m", "m=", "m=1", "m=1/2/3/4", "m=a/b", "=1/2", "m=-1/2"])
def test_an_invalid_price_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write it as MODEL=PROMPT/COMPLETION"):
        parse_prices([text])


def test_prices() -> None:
    assert parse_prices(["a=1/2", "b=c=1/2/0"]) == {"a": Price(1, 2, 1), "b=c": Price(1, 2, 0)}
    assert costs_of({"tasks.general": 3, "failures.deadline": 1}) == []
