"""What a worker counts of its model calls."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.config.model_names import parse_model
from t2t_dist.config.settings import ModelSettings
from t2t_dist.core.errors import ContextExceeded, EngineRejected, EngineTimeout
from t2t_dist.models.chat import Conversation, Reply, Usage
from t2t_dist.models.clients import Models
from t2t_dist.models.metering import CALL_BOUNDS, OUTCOMES, TOKEN_KINDS, Calls, Histogram, Meter, Metered, spending
from tests.support.fake_endpoint import FakeEndpoint

VALUES = st.lists(st.tuples(st.floats(0, 1e4), st.integers(1, 50)))
BOUNDS = (0.5, 1.0, 10.0)


def histogram(values: list[tuple[float, int]]) -> Histogram:
    found = Histogram(BOUNDS)
    for value, times in values:
        found.add(value, times)
    return found


# -- laws --------------------------------------------------------------------------------------------------------------
@given(VALUES)
@settings(deadline=None)
def test_a_histogram_counts_each_value_below_the_bounds_that_it_does_not_exceed(
    values: list[tuple[float, int]],
) -> None:
    found = histogram(values)
    for place, bound in enumerate(BOUNDS):
        assert sum(found.counts[: place + 1]) == sum(times for value, times in values if value <= bound)
    assert sum(found.counts) == sum(times for _, times in values)
    assert found.total == pytest.approx(sum(value * times for value, times in values))


@given(VALUES, VALUES)
@settings(deadline=None)
def test_merged_is_as_if_counted_in_one(first: list[tuple[float, int]], second: list[tuple[float, int]]) -> None:
    found, both = histogram(first), histogram(first + second)
    before = found.copy()
    found.merge(histogram(second))
    assert found.counts == both.counts
    assert found.total == pytest.approx(both.total)
    assert before == histogram(first), "a copy does not change"


def test_histograms_of_other_bounds_do_not_merge() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Histogram((1.0,)).merge(Histogram((2.0,)))


@given(st.integers(0, 1000), st.integers(0, 2000), st.integers(0, 1000))
@settings(deadline=None)
def test_every_token_is_of_one_kind(prompt: int, cached: int, completion: int) -> None:
    calls = Calls()
    calls.answered(Reply(usage=Usage(prompt, cached, completion), t_model=2.0, t_queue=0.1))
    assert sum(calls.tokens.values()) == prompt + completion
    assert min(calls.tokens.values()) >= 0
    assert set(calls.tokens) == set(TOKEN_KINDS)
    assert (calls.took.total, calls.waited.total) == (2.0, 0.1)


# -- calls -------------------------------------------------------------------------------------------------------------
class Plays:
    """A model whose next result the test sets."""

    name = "plays"

    def __init__(self) -> None:
        self.next: Reply | BaseException = Reply()
        self.closed = False

    async def complete(
        self, conversation: Conversation, *, tools: bytes | None = None, seed: int = 0, seat: str = "agent"
    ) -> Reply:
        if isinstance(self.next, BaseException):
            raise self.next
        return self.next

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("comes", "outcome"),
    [
        (EngineTimeout("late"), "engine_timeout"),
        (ContextExceeded("too long"), "context_exceeded"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
async def test_a_call_that_breaks_is_counted_and_breaks(comes: BaseException, outcome: str) -> None:
    plays, meter = Plays(), Meter()
    plays.next = comes
    with pytest.raises(type(comes)):
        await Metered(plays, meter, "mine").complete(Conversation())
    counts = meter.take()
    assert counts["mine"].ended == {outcome: 1}
    assert outcome in OUTCOMES
    assert sum(counts["mine"].took.counts) == 0, "times are those of answers"


@pytest.mark.parametrize(
    ("comes", "ended", "failed"),
    [
        (EngineTimeout("late"), 1, 1),
        (ContextExceeded("long"), 1, 1),
        (asyncio.CancelledError(), 1, 0),
        (KeyError(), 0, 1),
    ],
)
async def test_a_cancelled_call_costs_its_item_nothing_and_a_defect_is_no_outcome(
    comes: BaseException, ended: int, failed: int
) -> None:
    plays, meter, counter = Plays(), Meter(), Counter[str]()
    plays.next = comes
    with spending(counter), pytest.raises(type(comes)):
        await Metered(plays, meter, "mine").complete(Conversation())
    assert sum(sum(calls.ended.values()) for calls in meter.take().values()) == ended
    assert counter["spent|rollout|agent|plays|failed"] == failed


async def test_what_was_taken_is_not_reported_again_and_its_size_does_not_grow() -> None:
    plays, meter = Plays(), Meter()
    model = Metered(plays, meter, "mine")
    plays.next = Reply(usage=Usage(10, 4, 3), t_model=0.3)
    await model.complete(Conversation())
    one = len(pickle.dumps(meter.take()))
    assert meter.take() == {}
    for _ in range(200):
        await model.complete(Conversation())
    counts = meter.take()
    assert counts["mine"].tokens == {"prompt": 1200, "cached": 800, "completion": 600}
    assert len(counts["mine"].took.counts) == len(CALL_BOUNDS) + 1
    assert len(pickle.dumps(counts)) < one + 64
    await model.close()
    assert plays.closed


async def test_calls_of_an_endpoint_are_counted_under_its_name() -> None:
    async with FakeEndpoint(faults=["503", None, "400"]) as fake:
        name = f"openai:m@{fake.url}/"
        models = Models(ModelSettings(backoff_base_s=0.0))
        chat = models.chat(name, "agent")
        conversation = Conversation()
        conversation.user("hello")
        reply = await chat.complete(conversation)
        with pytest.raises(EngineRejected):
            await chat.complete(conversation)
        await models.close()
    ((label, calls),) = models.meter.take().items()
    assert label == parse_model(name, "agent").label == f"openai:m@{fake.url}"
    assert calls.ended == {"ok": 1, "engine_bad_response": 1}, "a repetition is the same call"
    assert sum(calls.tokens.values()) == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_fields_that_were_left_out_of_answers_are_counted_by_name() -> None:
    plays, meter = Plays(), Meter()
    plays.next = Reply(dropped=("usage", "usage", "model"))
    for _ in range(2):
        await Metered(plays, meter, "mine").complete(Conversation())
    (calls,) = meter.take().values()
    other = calls.copy()
    other.merge(calls)
    assert calls.dropped == {"usage": 4, "model": 2}
    assert other.dropped == {"usage": 8, "model": 4}
