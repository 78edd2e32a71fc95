"""Tools that show noise by plan: nothing is kept back, the expert finds it, and who believes what comes first fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import FaultsConfig
from t2t_dist.core.errors import InputError
from t2t_dist.core.known import stated
from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Fault, in_words, noise_of, planned, with_tool_faults
from t2t_dist.environments.tool_noise import has_pages, has_parts, records_in
from t2t_dist.environments.tools import AGENT, Call, Tool, ToolResult
from t2t_dist.export import Options, export
from t2t_dist.grading.diagnose import diagnose
from t2t_dist.grading.grade import grade
from t2t_dist.grading.knowledge import unseen_figures
from t2t_dist.models.clients import Models
from t2t_dist.pipeline.episodes import EpisodeRunner
from t2t_dist.pipeline.workloads import Generate
from t2t_dist.simulation.tool_fault_plan import plan_of, seen_twice
from t2t_dist.storage.rows import faults_of, outcome_of, turn_of
from t2t_dist.synthesis.bindings import look_around
from t2t_dist.view.episode import reasons
from tests.support import mcp_domains
from tests.support.fake_endpoint import FakeEndpoint, text
from tests.support.finished_run import rows_of, write_run
from tests.support.made import Made, make
from tests.support.matrix import tasks_of
from tests.support.stored import Stored, stored
from tests.support.toy_tau2 import TOY, Toy

NOISE = (Fault.DISTRACTOR, Fault.PAGED, Fault.TRUNCATED, Fault.STALE, Fault.WRONG)
#: Everything at once, failures too.
ALL = {fault.value: 0.5 for fault in NOISE} | {"retry": 0.3, "switch": 0.3}
Row = dict[str, Any]


@pytest.fixture(scope="module")
def hard(built_in: Made) -> Made:
    """The same domain, with tasks in which customers describe what they want."""
    return make(built_in.domain, 16, difficulty=3)


def played(made: Made, tasks: list[Task], agent: str, **faults: Any) -> list[Stored]:
    settings = {f"faults.{name}": value for name, value in faults.items()}
    runner = EpisodeRunner("run-1", load_config(None, {"agents": [agent], **settings}), Models(), made.domain)

    async def play() -> list[Stored]:
        return [stored(await runner.run(task, agent, 0)) for task in tasks]

    return asyncio.run(play())


def results(row: Row) -> Iterator[tuple[str, str]]:
    """The agent's calls of an episode by their tools' names, and what they gave."""
    names = {call["id"]: call["name"] for turn in row["turns"] for call in turn["tool_calls"] or ()}
    for turn in row["turns"]:
        if turn["role"] == "tool" and turn["seat"] == AGENT:
            yield names[turn["tool_call_id"]], turn["content"]


def some_calls(domain: Domain, most: int = 4) -> list[Call]:
    """Look-ups of the records of some customers."""
    return [seen.call for who in domain.callers[:most] for seen in look_around(domain, domain.world(), who)]


# -- what is right -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("noise", [*NOISE, "all"])
def test_the_oracle_copes_and_says_only_what_it_has_seen(built_in: Made, hard: Made, noise: str) -> None:
    shares = ALL if noise == "all" else {noise: 1.0}
    for made, most in ((built_in, 3), (hard, 5)):
        tasks = tasks_of(made, most)
        done = played(made, tasks, "scripted:oracle", **shares)
        assert [(one.row["task_id"], one.row.get("detail")) for one in done if one.reward != 1.0] == []
        for one, task in zip(done, tasks, strict=True):
            turns, plan = [turn_of(turn) for turn in one.row["turns"]], faults_of(one.row)
            # The answer to a question may add up more than two figures; all else has a source.
            answer = task.grader.communicate[-1] if any(goal.asks for goal in task.user.goals) else ""
            sums = {answer, *(figure for figure, _ in stated(answer).figures)}  # 505.90 is 505.9 there
            assert {one.what for one in unseen_figures(turns, agent_prompt(made.domain))} <= sums
            assert all(kept is not False for kept in one.row["process"].values()), one.row["process"]
            # What regrade does, from what is stored; without the noise, the tools would have answered otherwise.
            assert grade(made.domain, task, turns, one.row["termination"], plan) == outcome_of(one.row)
            if noise == Fault.TRUNCATED:
                assert "replay" in grade(made.domain, task, turns, one.row["termination"]).detail


#: Where the skimmer has something to lose: elsewhere, what its customers describe stands in the first part, or in one
#: place only.
LOSES = {"retail": NOISE, "airline": NOISE[:3], "telecom": NOISE[:2]}


@pytest.mark.parametrize("noise", NOISE[:4])
def test_who_believes_what_comes_first_fails(hard: Made, noise: str) -> None:
    tasks = hard.verified()[:30]
    if noise == Fault.DISTRACTOR:
        assert all(one.reward == 1.0 for one in played(hard, tasks, "scripted:skimmer"))
    lost = [one.row for one in played(hard, tasks, "scripted:skimmer", **{noise: 1.0}) if one.reward != 1.0]
    assert lost or noise not in LOSES[hard.domain.name]


# -- nothing is kept back ----------------------------------------------------------------------------------------------
def whole(domain: Domain, call: Call) -> tuple[list[Any], int]:
    """All that a noisy tool shows, following the notes in its results, and in how many pieces."""
    world, found = domain.world(), [domain.execute(domain.world(), call)]
    while more := re.search(r" The same call with (page|part)=(\d+) shows what follows\.\Z", found[-1].content):
        found.append(domain.execute(world, Call(call.name, {**call.arguments, more[1]: int(more[2])})))
        assert not found[-1].error, found[-1].content
    assert world.digest == domain.world().digest
    return [orjson.loads(one.content.partition("\n")[0]) for one in found], len(found)


def joined(pieces: list[Any]) -> Any:
    """A result from its pieces: lists one after the other, and of a record all fields."""
    if isinstance(pieces[0], list):
        return [one for piece in pieces for one in piece]
    found: Row = {}
    for piece in pieces:
        for name, value in piece.items():
            new = isinstance(value, list) and name in found and value != found[name]
            found[name] = found[name] + value if new else value
    return found


@pytest.mark.parametrize("size", [1, 2, 50])
def test_every_record_and_every_field_can_be_reached(built_in: Made, size: int) -> None:
    domain, most = built_in.domain, 0
    for call in some_calls(domain):
        tool = domain.tools[call.name]
        plain = domain.execute(domain.world(), call)
        for fits, fault in ((has_pages(tool), Fault.PAGED), (has_parts(tool), Fault.TRUNCATED)):
            if fits:
                noisy = with_tool_faults(domain, {tool.name: planned(fault, size)})
                pieces, count = whole(noisy, call)
                assert joined(pieces) == orjson.loads(plain.content)
                most = max(most, count)
                argument = "page" if fault is Fault.PAGED else "part"
                beyond = noisy.execute(noisy.world(), Call(call.name, {**call.arguments, argument: count + 1}))
                assert beyond.content == f"Error: there is no {argument} {count + 1}; the last one is {count}"
    assert most > 2


def test_a_page_is_asked_for_by_an_argument_that_the_tool_shows(shop: Made) -> None:
    noisy = with_tool_faults(shop.domain, {"list_user_orders": "paged:1"})
    schemas = {one["function"]["name"]: one["function"] for one in orjson.loads(noisy.tools.schemas(AGENT))}
    plain = {one["function"]["name"]: one["function"] for one in orjson.loads(shop.domain.tools.schemas(AGENT))}
    offered, usual = schemas.pop("list_user_orders"), plain.pop("list_user_orders")
    assert schemas == plain
    assert set(offered["parameters"]["properties"]) - set(usual["parameters"]["properties"]) == {"page"}
    assert offered["parameters"]["required"] == usual["parameters"]["required"]
    who = {"user_id": shop.domain.callers[0]}
    for page in (0, "x"):
        refused = noisy.execute(noisy.world(), Call("list_user_orders", {**who, "page": page}))
        assert refused.content.startswith("Error: page: ")
    assert shop.domain.execute(shop.domain.world(), Call("list_user_orders", {**who, "page": 1})).error


@pytest.mark.parametrize("fault", [Fault.STALE, Fault.WRONG])
def test_what_is_shown_wrongly_is_shown_as_it_is_by_the_tool_that_is_named(built_in: Made, fault: Fault) -> None:
    domain, differed = built_in.domain, 0
    for name, looks in seen_twice(domain).items():
        tool = domain.tools[name]
        calls = [call for call in some_calls(domain) if call.name == name]
        for look in looks:
            noisy = with_tool_faults(domain, {name: planned(fault, *look)})
            states_rule = noisy.tools[name if fault is Fault.STALE else look.holder]
            assert look.field in states_rule.description
            assert states_rule.description in noisy.tools.schemas(AGENT).decode()
            (slot,) = domain.tools[look.holder].parameters
            for call in calls:
                shown, true = noisy.execute(noisy.world(), call).value, domain.execute(domain.world(), call).value
                for one, other in zip(_records(tool, shown, look), _records(tool, true, look), strict=True):
                    assert {**one, look.field: 0} == {**other, look.field: 0}
                    second = noisy.execute(noisy.world(), Call(look.holder, {slot: one[look.key]})).value
                    assert second[look.field] == other[look.field]
                    differed += one[look.field] != second[look.field]
    assert differed > 10


def _records(tool: Tool, value: Any, look: Any) -> list[Row]:
    return list(records_in(tool.returns, value, look.kind))


def test_look_alikes_stand_before_what_they_look_like_and_do_nothing(built_in: Made) -> None:
    domain, task = built_in.domain, built_in.verified()[0]
    plans = [plan_of(FaultsConfig(distractor=1.0), domain, task, seed) for seed in range(6)]
    plan = {name: fault for one in plans for name, fault in one.items()}
    noisy = with_tool_faults(domain, plan)
    order = [one["function"]["name"] for one in orjson.loads(noisy.tools.schemas(AGENT))]
    assert {name.rpartition("_")[2] for name in plan} == {"archive", "training", "legacy"}
    asked = {
        call.name: call.arguments for call in (*some_calls(domain), *(c for t in built_in.verified() for c in _gold(t)))
    }
    for name, fault in plan.items():
        of = fault.removeprefix("distractor:")
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
        assert name not in domain.tools
        assert of in order[order.index(name) + 1 : order.index(name) + 3]
        world = noisy.world()
        result: ToolResult = noisy.execute(world, Call(name, asked.get(of, {})))
        assert not result.changed
        assert world.digest == domain.world().digest
        assert result.error or result.value["system"] == "training" or of not in asked
        # It is no slip to call one: the arguments are understood.
        assert of not in asked or result.arguments is not None


def _gold(task: Task) -> list[Call]:
    return [Call(call.name, call.arguments) for call in task.grader.gold]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *(("list_user_orders", f"{kind}:{size}") for kind in ("paged", "truncated") for size in ("x", "0", "-1", "")),
        ("cancel_pending_order", "paged:2"),
        ("my_tool", "distractor:get_order_details"),
        ("get_order_details_training", "distractor:get_order_details"),
        ("list_user_orders", "stale:OrderSummary:order_id"),
        ("list_user_orders", "wrong:OrderSummary:order_id:status:"),
        ("list_user_orders", "stale:OrderSummary:order_id:status:think"),
        ("list_user_orders", "stale:OrderSummary:no_id:status:get_order_details"),
    ],
)
def test_noise_that_cant_be_carried_out_is_left_out(shop: Made, name: str, fault: str) -> None:
    noisy = with_tool_faults(shop.domain, {name: fault})
    assert noisy.tools.schemas(AGENT) == shop.domain.tools.schemas(AGENT)
    call = Call("list_user_orders", {"user_id": shop.domain.callers[0]})
    assert noisy.execute(noisy.world(), call).content == shop.domain.execute(shop.domain.world(), call).content


# -- where there is no place for it ------------------------------------------------------------------------------------
def test_what_a_domain_has_no_place_for_is_not_drawn(desk: Made, tmp_path: Path) -> None:
    task, full = desk.verified()[0], FaultsConfig(paged=1.0, truncated=1.0, stale=1.0, wrong=1.0)
    assert plan_of(full, desk.domain, task, 1) == {"list_holds": "paged:2"}
    # Tools of other programs take and give what these do; a look-alike can stand beside them.
    for domain in (Toy(), mcp_domains.made(tmp_path)):
        assert plan_of(full, domain, task, 1) == {}
        beside = plan_of(FaultsConfig(distractor=1.0), domain, task, 1)
        assert beside
        noisy = with_tool_faults(domain, beside)
        assert all(name in noisy.tools.schemas(AGENT).decode() for name in beside)


def test_tau2s_own_rules_offer_tau2s_own_tools() -> None:
    config = load_config(None, {"domain": TOY, "rules": "tau2", "agents": ["scripted:oracle"], "faults.paged": 0.5})
    with pytest.raises(InputError, match="leave the noise out of --tool-faults"):
        Generate(config)


# -- who sees it -------------------------------------------------------------------------------------------------------
async def test_a_model_is_offered_the_tools_of_its_episode(desk: Made) -> None:
    async with FakeEndpoint(lambda body: text("Sorry, I can't help.")) as fake:
        name, task = f"openai:m@{fake.url}", desk.verified()[0]
        faults = {"faults.paged": 1.0, "faults.distractor": 1.0}
        config = load_config(None, {"agents": [name], "user": "scripted", **faults})
        models = Models(config.models)
        try:
            done = stored(await EpisodeRunner("run-1", config, models, desk.domain).run(task, name, 0))
        finally:
            await models.close()
    plan = faults_of(done.row)
    assert len(plan) > 1
    sent = fake.requests[0].body["tools"]
    assert sent == orjson.loads(with_tool_faults(desk.domain, plan).tools.schemas(AGENT))
    assert set(noise_of(plan)) <= {one["function"]["name"] for one in sent}


def test_exports_list_the_tools_that_the_agent_was_offered(shop: Made, tmp_path: Path) -> None:
    tasks, trials = tasks_of(shop, 3), range(2)
    settings = {"faults.paged": 0.5, "faults.distractor": 0.3, "agents": ["scripted:oracle", "scripted:silent"]}
    runner = EpisodeRunner("run-1", load_config(None, settings), Models(), shop.domain)

    async def play() -> list[Any]:
        agents = settings["agents"]
        return [await runner.run(task, agent, n) for task in tasks for agent in agents for n in trials]  # type: ignore[attr-defined]

    episodes = [stored(one)[:2] for one in asyncio.run(play())]
    write_run(tmp_path / "run", [*rows_of(tasks), *episodes], domain="retail", agents=settings["agents"])
    plans = {row["episode_id"]: faults_of(row) for _, row in episodes}
    for format in ("sft", "preference"):
        export([str(tmp_path / "run")], str(tmp_path / format), Options(format))
        rows = [orjson.loads(line) for line in (tmp_path / format / "train.jsonl").read_bytes().splitlines()]
        assert len(rows) > 2
        for row in rows:
            ids = [row[name] for name in ("episode_id", "chosen_episode_id", "rejected_episode_id") if name in row]
            for plan in (plans[one] for one in ids):
                assert row["tools"] == orjson.loads(with_tool_faults(shop.domain, plan).tools.schemas(AGENT))
    assert len({str(plan) for plan in plans.values()}) > len(tasks)


def test_noise_is_named_where_faults_are_shown(hard: Made) -> None:
    assert in_words("stale:OrderSummary:order_id:status:get_order_details") == "stale status, get_order_details holds"
    assert [in_words(fault) for fault in ("paged:2", "truncated:300", "retry", "distractor:think")] == [
        "paged by 2", "truncated at 300 characters", "retry", "distractor, looks like think",
    ]  # fmt: skip
    tasks = hard.verified("general")[:10]
    seen = 0
    for one, task in zip(played(hard, tasks, "scripted:skimmer", distractor=1.0), tasks, strict=True):
        turns, plan = [turn_of(turn) for turn in one.row["turns"]], faults_of(one.row)
        assert any("distractor, looks like" in why.detail for why in reasons(one.row) if why.title == "tool faults")
        found = diagnose(hard.domain, task, turns, one.row["termination"], outcome_of(one.row), (), plan)
        seen += any(re.search(r"; \w+_training, which looks like it, was called", f.detail) for f in found.findings)
    assert seen
