"""Customers of an MCP server describe what they want, and a twin world proves it, where its records have types, words
and a place in the snapshot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from t2t_dist.config.settings import Config
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.adapters.mcp.domain import McpDomain
from t2t_dist.environments.adapters.mcp.tools import spec_from, spec_of_schema
from t2t_dist.environments.tools import Call
from t2t_dist.grading.grade import grade
from t2t_dist.synthesis.check_domain import expressible
from t2t_dist.synthesis.kinds_of_request import kinds_of
from t2t_dist.synthesis.pairs import twin_task
from tests.support.made import Made, make, played, verdict
from tests.support.mcp_domains import made as made_domain
from tests.support.paths import ROOT

#: What docs/mcp.md adds to the server's file, and the words that it puts beside it.
ADDED, WORDS = re.findall(
    r"```yaml\n(.*?)```", (ROOT / "docs/mcp.md").read_text("utf-8").partition("## Hard tasks on it")[2], re.S
)


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    domain = worded(tmp_path_factory.mktemp("notes"))
    yield make(domain, 6, difficulty=3)
    domain.pool.close()


def worded(folder: Path, **changes: object) -> McpDomain:
    """The notes as the page has them."""
    added = yaml.safe_load(ADDED)
    tools = {"find_person": {"returns": {"person_id": "PersonId", "name": "", "email": "Email"}}, **added["tools"]}
    domain = made_domain(folder / "made", tools=tools, **{"records": added["records"], **changes})
    (folder / "made/notes/language.yaml").write_text(WORDS)
    return domain


async def test_its_tasks_describe_and_are_proved_and_solved(hard: Made) -> None:
    tasks = [task for task in hard.verified() if {"by description", "set"} & set(kinds_of(hard.domain, task))]
    assert {"by description", "set"} <= {kind for task in tasks for kind in kinds_of(hard.domain, task)}
    assert len(tasks) >= 6
    for task in tasks:
        assert verdict(hard.domain, task) == "verified"
        for kind, reward in (("oracle", 1.0), ("literal", 0.0)):
            rollout = await played(hard, task, kind)
            assert grade(hard.domain, task, rollout.turns, rollout.termination.value).reward == reward


def test_in_a_twin_world_the_server_shows_other_records(hard: Made) -> None:
    task = next(task for task in hard.verified("general") if task.certificate and task.certificate.twins)
    trajectory = next(one for one in hard.trajectories if one.trajectory_id == task.trajectory_id)
    twin = twin_task(hard.domain, trajectory, task)
    assert twin is not None
    assert twin.verdict == "verified"
    (change,) = twin.world
    assert json.loads(change.after["text"]) == change.after["data"] != change.before["data"]
    there, look = domain_of(hard.domain, twin), Call("list_notes", {"person_id": task.customer})
    shown = [json.loads(domain.execute(domain.world(), look).content) for domain in (there, hard.domain)]
    assert shown[0] == [note for note in change.after["data"]["notes"] if note["person_id"] == task.customer]
    assert shown[0] != shown[1]


def test_it_is_said_of_which_records_there_is_no_twin_world(tmp_path: Path) -> None:
    """A file that is no JSON holds no records, whatever its server makes of it."""
    domain = worded(tmp_path)
    file = tmp_path / "made/notes/server.yaml"
    said = expressible(Config(domain=f"mcp:{file}"))
    assert "they want something for several of Note" in said
    assert not any(one.startswith("no task is made") for one in said)
    for text in (tmp_path / "made/notes/template/notes.json", tmp_path / "made/notes/server.py"):
        text.write_text(text.read_text().replace('"notes.json"', '"notes.txt"'))
    (tmp_path / "made/notes/template/notes.json").rename(tmp_path / "made/notes/template/notes.txt")
    content = yaml.safe_load(file.read_text()) | {"snapshot": {"files": ["*.txt"]}, "name": "other"}
    (other := file.with_name("other.yaml")).write_text(yaml.safe_dump(content))
    said = expressible(Config(domain=f"mcp:{other}"))
    assert any(one.startswith("no task is made of the words for Note: the database holds no records") for one in said)
    domain.pool.close()


def test_types_of_records_are_named_in_the_file_or_titled_by_the_server() -> None:
    records = {"Note": {"note_id": "NoteId", "by": "Person"}, "Person": {"person_id": "PersonId"}, "Loop": ["Loop"]}
    spec = spec_from(["Note"], "x", records)
    assert (spec.item.name, dict(spec.item.fields)["by"].name) == ("Note", "Person")
    with pytest.raises(ValueError, match="records of the type Loop hold such records again"):
        spec_from("Loop", "x", records)
    schema = {"title": "Note", "type": "object", "properties": {"note_id": {"type": "string"}}}
    assert spec_of_schema({"type": "array", "items": schema}, "", titled=True).item.name == "Note"
    assert spec_of_schema(schema, "note").name == ""  # an argument is no record that was shown
