"""The world of one task: records of its own, on every kind of domain; what is stored is not trusted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import RecordChange, Task
from t2t_dist.core.task_domain import MOST_RECORDS, domain_of
from t2t_dist.environments.base import Domain
from t2t_dist.environments.record import thaw
from t2t_dist.environments.state import META, diff
from t2t_dist.environments.tool_faults import with_tool_faults
from t2t_dist.environments.tools import Call
from tests.support.made import Made
from tests.support.mcp_domains import made as mcp_domain
from tests.support.toy_tau2 import Toy


@pytest.fixture
def task(desk: Made) -> Task:
    return desk.one("general")


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    domain = mcp_domain(tmp_path_factory.mktemp("notes"))
    yield domain
    domain.pool.close()


def change(domain: Domain, table: str, key: str, **fields: Any) -> RecordChange:
    before = thaw(domain.base.tables[table][key])
    return RecordChange(table=table, key=key, before=before, after=before | fields)


def first(domain: Domain) -> tuple[str, str]:
    table = next(name for name in domain.base.tables if name != META)
    return table, next(iter(domain.base.tables[table]))


def test_a_task_without_records_of_its_own_is_about_the_domain_itself(desk: Made, task: Task) -> None:
    assert domain_of(desk.domain, task) is desk.domain


def test_one_object_for_one_world_and_what_is_there_already_is_left_alone(desk: Made, task: Task) -> None:
    table, key = first(desk.domain)
    task.world = [change(desk.domain, table, key, said="twin")]
    own = domain_of(desk.domain, task)
    assert own.world().get(table, key) == task.world[0].after
    assert own.world().digest != desk.domain.world().digest
    assert domain_of(desk.domain, task.model_copy(deep=True)) is own
    assert domain_of(own, task) is own
    faulty = with_tool_faults(own, {tool.name: "impossible" for tool in own.tools})
    assert domain_of(faulty, task) is faulty  # its tools are those of one attempt
    assert [(d.table, d.key, d.fields()) for d in diff(desk.domain.world(), own.world())] == [
        (table, key, {"said": (None, "twin")})
    ]


def test_what_is_no_world_of_this_database_is_refused_in_one_line(desk: Made, task: Task) -> None:
    table, key = first(desk.domain)
    good = change(desk.domain, table, key, said="twin")
    deep: Any = {}
    for _ in range(100):
        deep = {"in": deep}
    wrong = {
        "not in the database as the task has it": [good.model_copy(update={"before": {"other": 1}})],
        "has no record": [good.model_copy(update={"key": "nobody"})],
        f"no record {META}/clock": [RecordChange(table=META, key="clock", before={}, after={"now": "2020-01-01"})],
        "would be no record": [good.model_copy(update={"after": "gone"})],
        "would be as it is": [good.model_copy(update={"after": good.before})],
        "lists a record twice": [good, good],
        "or more than": [good.model_copy(update={"key": str(n)}) for n in range(MOST_RECORDS + 1)],
        "bytes, more than": [good.model_copy(update={"after": {"text": "x" * (1 << 21)}})],
        "not JSON": [good.model_copy(update={"after": {1, 2}})],
    }
    for said, world in {**wrong, "would be  no record": [good.model_copy(update={"after": deep})]}.items():
        task.world = world
        with pytest.raises(InputError, match=" ".join(said.split())) as refused:
            domain_of(desk.domain, task)
        assert "\n" not in str(refused.value)
        assert str(refused.value).startswith(task.task_id)


def test_tools_of_tau2s_worlds_see_it_and_no_other_world_does(task: Task) -> None:
    toy = Toy()
    task.world = [change(toy, "orders", "O1", status="sent")]
    own = domain_of(toy, task)
    cancel = Call("cancel_order", {"order_id": "O1", "reason": "mistake"})
    plain, twin = toy.world(), own.world()
    assert [toy.execute(plain.fork(), cancel).error, own.execute(twin.fork(), cancel).error] == [False, True]
    assert [toy.execute(plain.fork(), cancel).error, own.execute(twin.fork(), cancel).error] == [False, True]
    assert toy.world().digest == plain.digest != twin.digest
    with own.ground(None) as ground:  # type: ignore[attr-defined]
        assert ground.state() == {}


def test_a_server_is_brought_into_it_and_back(notes: Domain, task: Task) -> None:
    text = notes.base.tables["files"]["notes.json"]["text"].replace("note 0 of p0", "of the twin")
    held = {"text": text, "data": json.loads(text)}
    task.world = [change(notes, "files", "notes.json", **held)]
    own, reads = domain_of(notes, task), Call("list_notes", {"person_id": "p0"})
    for _ in range(2):
        here, there = (domain.execute(domain.world(), reads).content for domain in (notes, own))
        assert "of the twin" not in here
        assert "of the twin" in there
