"""Exports of real episodes, loaded as their consumers load them."""

from __future__ import annotations

import importlib
import os
import socket
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow.ipc
import pytest
import yaml
from typer.testing import CliRunner

from t2t_dist.cli.main import app
from t2t_dist.core.errors import InputError
from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import INTENTS, RecordChange, Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tools import AGENT
from t2t_dist.export import Exported, Filters, Options, conversation, export
from t2t_dist.export.selection import LeftOut, chosen
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.rows import from_row
from t2t_dist.storage.status import StatusFile
from tests.support.finished_run import failed, rows_of, write_run
from tests.support.made import Made
from tests.support.matrix import AGENTS, rolled_out, tasks_of
from tests.support.runs import ROOT

EACH = 4
Row = dict[str, Any]


@pytest.fixture(scope="module")
def played(shop: Made) -> list[tuple[str, Row]]:
    tasks = tasks_of(shop, EACH)
    return [*rows_of(tasks), *rolled_out(shop, tasks)]


@pytest.fixture(scope="module")
def run(played: list[tuple[str, Row]], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("export") / "run"
    write_run(folder, played, domain="retail", agents=list(AGENTS))
    return str(folder)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`datasets`, with a cache of its own and no way out."""
    datasets = importlib.import_module("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return datasets


def lines(folder: Path, split: str = "train") -> list[Row]:
    return [orjson.loads(line) for line in (folder / f"{split}.jsonl").read_bytes().splitlines()]


def made(run: str, out: Path, format: str, **options: Any) -> Exported:
    return export([run], str(out), Options(format, **options))


def all_rows(folder: Path) -> dict[str, list[Row]]:
    return {path.stem: lines(folder, path.stem) for path in folder.glob("*.jsonl")}


def checks_broken(row: Row) -> str:
    return ", ".join(name for name, kept in row["process"].items() if kept is False)


def whose(domain: Domain, rows: list[Row], tasks: dict[str, Row]) -> set[str]:
    """By hand, apart from the exporter: trajectories, customers, and their orders that are named or changed."""
    orders = domain.base.tables["orders"]
    found = set()
    for row in rows:
        task = from_row(Task, tasks[row["task_id"]])
        found |= {row["trajectory_id"], task.customer}
        text = str([m.get("tool_calls") for m in row["messages"]]) + str(task.grader.gold)
        named = {key for key in orders if key in text} | {
            c.key for c in task.grader.allowed_diff if c.table == "orders"
        }
        found |= named | {orders[key]["user_id"] for key in named}
    return found


# -- sft ---------------------------------------------------------------------------------------------------------------
def test_sft_has_passing_episodes_only_and_splits_share_nothing(
    shop: Made, played: list[tuple[str, Row]], run: str, tmp_path: Path
) -> None:
    found = made(run, tmp_path / "out", "sft", shares=(0.6, 0.2, 0.2))
    episodes = {row["episode_id"]: row for table, row in played if table == "episodes"}
    tasks = {row["task_id"]: row for table, row in played if table == "tasks"}
    splits = all_rows(tmp_path / "out")
    assert {name: len(rows) for name, rows in splits.items()} == found.splits
    assert set(splits) == {"train", "validation", "test"}
    written = [row for rows in splits.values() for row in rows]
    passed = {name: row for name, row in episodes.items() if row["reward"] == 1.0}
    broken = Counter(broke for row in passed.values() if (broke := checks_broken(row)))
    assert {row["episode_id"] for row in written} == {name for name, row in passed.items() if not checks_broken(row)}
    assert 0 < len(written) == len(passed) - broken.total() < len(passed) < len(episodes)
    why = {f"process check failed: {names}": n for names, n in broken.items()}
    assert found.left_out == {"reward too low": len(episodes) - len(passed), **why}
    entities = {name: whose(shop.domain, rows, tasks) for name, rows in splits.items()}
    stored = {name: {each for row in rows for each in row["entities"]} for name, rows in splits.items()}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not entities[one] & entities[other]
        assert not stored[one] & stored[other]
    row = splits["train"][0]
    assert row["messages"][0] == {"role": "system", "content": agent_prompt(shop.domain), "train": False}
    assert row["tools"] == orjson.loads(shop.domain.tools.schemas(AGENT))


def test_what_shares_a_customer_is_one_group(shop: Made, tmp_path: Path) -> None:
    """The tasks of all are given to one customer: nothing can be parted, and the card says so."""
    tasks = [task.model_copy(update={"customer": "x"}) for task in shop.verified("general")[:3]]
    rows = rolled_out(shop, shop.verified("general")[:3], AGENTS[:1])
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], domain="retail")
    found = made(str(tmp_path / "run"), tmp_path / "out", "sft")
    assert found.splits == {"train": 3}
    assert any("there is no validation or test" in note for note in found.notes)
    assert "there is no validation or test" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("named", ["customer", "order"])
def test_a_record_named_by_two_customers_ties_them(shop: Made, tmp_path: Path, named: str) -> None:
    first = shop.verified("general")[0]
    other = next(t for t in shop.verified("general") if t.customer != first.customer)
    rows = rolled_out(shop, [first, other], AGENTS[:1])
    write_run(tmp_path / "apart", [*rows_of([first, other]), *rows], domain="retail")
    assert len(made(str(tmp_path / "apart"), tmp_path / "a", "sft").splits) == 2
    orders = shop.domain.base.tables["orders"]
    theirs = (
        other.customer if named == "customer" else next(k for k, o in orders.items() if o["user_id"] == other.customer)
    )
    call = next(c for turn in rows[0][1]["turns"] for c in turn["tool_calls"])
    call["arguments"] = orjson.dumps({"anything": [theirs]}).decode()
    write_run(tmp_path / "run", [*rows_of([first, other]), *rows], domain="retail")
    assert made(str(tmp_path / "run"), tmp_path / "b", "sft").splits == {"train": 2}


def test_a_record_that_two_tasks_change_ties_them_and_a_product_does_not(shop: Made, tmp_path: Path) -> None:
    first = shop.verified("general")[0]
    other = next(t for t in shop.verified("general") if t.customer != first.customer).model_copy(deep=True)
    rows = rolled_out(shop, [first, other], AGENTS[:1])

    def splits(name: str, table: str, record: dict[str, Any]) -> int:
        changed = other.model_copy(deep=True)
        change = RecordChange(table=table, key="K1", before=record, after={**record, "changed": True})
        mine = first.model_copy(deep=True)
        for task in (mine, changed):
            task.grader.allowed_diff.append(change)
        write_run(tmp_path / name, [*rows_of([mine, changed]), *rows], domain="retail")
        return len(made(str(tmp_path / name), tmp_path / f"{name}-out", "sft").splits)

    assert splits("order", "orders", {"user_id": first.customer}) == 1
    assert splits("product", "products", {"stock": 3}) == 2


def test_the_order_of_rows_depends_on_their_ids_alone(
    played: list[tuple[str, Row]], run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "again", list(reversed(played)), domain="retail", agents=list(AGENTS))
    monkeypatch.setattr("t2t_dist.export.files._PIECE", 7)
    for format in ("sft", "preference"):
        made(str(tmp_path / "again"), tmp_path / f"b-{format}", format)
        with monkeypatch.context() as whole:
            whole.setattr("t2t_dist.export.files._PIECE", 10_000)
            made(run, tmp_path / f"a-{format}", format)
        names = sorted(os.listdir(tmp_path / f"a-{format}"))
        assert names == sorted(os.listdir(tmp_path / f"b-{format}"))
        for name in names:
            assert (tmp_path / f"a-{format}" / name).read_bytes() == (tmp_path / f"b-{format}" / name).read_bytes()


def test_filters(played: list[tuple[str, Row]], run: str, tmp_path: Path) -> None:
    episodes = {row["episode_id"]: row for table, row in played if table == "episodes"}

    def kept(name: str, format: str = "hf", **filters: Any) -> list[Row]:
        made(run, tmp_path / name, format, filters=Filters(**filters), shares=(1.0, 0.0, 0.0))
        (file,) = (tmp_path / name).glob("train*/*.arrow")
        return [episodes[identity] for identity in _stream(file)]

    assert len(kept("all")) == len(episodes)
    assert {row["intent"] for row in kept("intent", intents=("changing",))} == {"changing"}
    assert {row["agent"] for row in kept("agent", agents=(AGENTS[1],))} == {AGENTS[1]}
    assert {row["reward"] for row in kept("reward", min_reward=1.0)} == {1.0}
    checked = kept("process", process=("trigger_first",))
    assert {row["episode_id"] for row in checked} == {
        name for name, row in episodes.items() if row["process"]["trigger_first"] is not False
    }
    assert 0 < len(checked) < len(episodes)
    sizes = sorted(len(row["turns"]) for row in episodes.values())
    few = kept("turns", max_turns=sizes[len(sizes) // 2])
    assert 0 < len(few) < len(episodes)
    assert all(len(row["turns"]) <= sizes[len(sizes) // 2] for row in few)
    assert set(Counter(row["task_id"] for row in kept("task", per_task=2)).values()) == {2}
    balanced = Counter(row["intent"] for row in kept("balance", balance=True, agents=(AGENTS[1],), min_reward=1.0))
    assert len(set(balanced.values())) == 1
    with pytest.raises(InputError, match="no token counts"):
        kept("tokens", max_tokens=10)


def _stream(path: Path) -> list[str]:
    with pyarrow.ipc.open_stream(path) as stream:
        return list(stream.read_all().column("episode_id").to_pylist())


def test_what_is_to_be_imitated_keeps_the_process_unless_told_otherwise(
    played: list[tuple[str, Row]], run: str, tmp_path: Path
) -> None:
    episodes = {row["episode_id"]: row for table, row in played if table == "episodes"}
    passed = {name for name, row in episodes.items() if row["reward"] == 1.0}
    broken = {name for name in passed if checks_broken(episodes[name])}
    asked = {"none": passed, "trigger_first": passed, "confirmed_before_write": passed - broken, "all": passed - broken}
    for check, expected in asked.items():
        made(run, tmp_path / check, "sft", filters=Filters(process=(check,)))
        assert {row["episode_id"] for rows in all_rows(tmp_path / check).values() for row in rows} == expected
    said = {check: (tmp_path / check / "README.md").read_text() for check in asked}
    assert "all process checks are kept" in said["all"]
    assert "these process checks are kept\nwhere they apply (trigger_first)" in said["trigger_first"]
    assert "there may be rows that break a\nprocess check" in said["none"]
    card = said["all"]
    assert f"{len(passed - broken)} of {len(episodes)} episodes are here." in card
    assert f"| {len(broken)} | process check failed: confirmed_before_write |" in card
    assert f"| {len(episodes) - len(passed)} | reward too low |" in card
    # In pairs it is the chosen side that is imitated.
    found = made(run, tmp_path / "pairs", "preference", shares=(1.0, 0.0, 0.0))
    pairs = lines(tmp_path / "pairs")
    assert not broken & {row["chosen_episode_id"] for row in pairs}
    assert any(checks_broken(episodes[row["rejected_episode_id"]]) for row in pairs)
    assert found.left_out["process check failed: confirmed_before_write"] == len(broken)
    assert 2 * len(pairs) + sum(found.left_out.values()) == len(episodes)


def test_episodes_whose_process_was_not_checked_are_left_out_and_counted(shop: Made, tmp_path: Path) -> None:
    tasks = tasks_of(shop, 1)
    rows = rolled_out(shop, tasks, AGENTS[:1])
    rows[0][1]["process"] = None
    rows[1][1]["process"] = dict.fromkeys(rows[1][1]["process"])
    write_run(tmp_path / "some", [*rows_of(tasks), *rows], domain="retail")
    found = made(str(tmp_path / "some"), tmp_path / "a", "sft")
    assert (sum(found.splits.values()), found.left_out) == (len(rows) - 2, {"no process checks stored": 2})
    card = (tmp_path / "a" / "README.md").read_text()
    assert "| 2 | no process checks stored |" in card
    assert "applied to none of them" not in card
    for _, row in rows[2:]:
        row["process"]["own_data_only"] = None
    write_run(tmp_path / "older", [*rows_of(tasks), *rows], domain="retail")
    made(str(tmp_path / "older"), tmp_path / "c", "sft")
    assert "\nown_data_only applied to none of them, or was not checked" in (tmp_path / "c" / "README.md").read_text()
    write_run(tmp_path / "none", [*rows_of(tasks[:2]), *rows[:2]], domain="retail")
    with pytest.raises(InputError, match=r"2 no process checks stored \(--process none takes them\)"):
        made(str(tmp_path / "none"), tmp_path / "b", "sft")
    for format, filters in (("sft", Filters(process=("none",))), ("hf", Filters())):
        assert sum(made(str(tmp_path / "none"), tmp_path / format, format, filters=filters).splits.values()) == 2


@pytest.mark.parametrize("reason", ["abort", "error", "content_filter", "network_error", "gone_fishing"])
@pytest.mark.parametrize("seat", ["agent", "user"])
def test_an_episode_with_half_a_reply_is_in_no_format(shop: Made, tmp_path: Path, seat: str, reason: str) -> None:
    """As runs of earlier versions hold them, graded."""
    tasks = shop.verified("general")[:2]
    rows = rolled_out(shop, tasks, AGENTS[:2])
    for _, row in rows:
        for number, turn in enumerate(turn for turn in row["turns"] if turn["role"] != "tool"):
            turn["finish_reason"] = "length" if number % 2 else "stop"
            if turn["seat"] == "agent":
                turn["prompt_token_ids"], turn["token_ids"] = [1], [2]
    half = rows[0][1]
    next(turn for turn in half["turns"] if turn["seat"] == seat and turn["role"] != "tool")["finish_reason"] = reason
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], **{"domain": "retail", "models.capture": "tokens"})
    for format in ("sft", "hf", "rl"):
        found = made(str(tmp_path / "run"), tmp_path / format, format, filters=Filters(process=("none",)))
        assert found.left_out["a server broke off a reply in it"] == 1
        assert "| 1 | a server broke off a reply in it |" in (tmp_path / format / "README.md").read_text()
        files = [path.read_bytes() for path in (tmp_path / format).rglob("*") if path.is_file()]
        assert not any(half["episode_id"].encode() in data for data in files)
        assert any(rows[2][1]["episode_id"].encode() in data for data in files)


def test_episodes_without_a_result_are_counted(shop: Made, tmp_path: Path) -> None:
    tasks = tasks_of(shop, 1)
    rows = [*rolled_out(shop, tasks, AGENTS[:1]), failed(tasks[0], AGENTS[1]), failed(tasks[1], AGENTS[1])]
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], domain="retail")
    found = made(str(tmp_path / "run"), tmp_path / "a", "sft")
    assert found.left_out == {"no result: a row of failures/": 2}
    found = made(str(tmp_path / "run"), tmp_path / "b", "sft", filters=Filters(agents=AGENTS[:1]))
    assert found.left_out == {"another agent": 2}


def test_what_is_lost_between_two_passes_is_counted(
    shop: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tasks_of(shop, 1)
    runs = []
    for name, one in (("here", tasks[:1]), ("lost", tasks[1:])):
        write_run(tmp_path / name, [*rows_of(one), *rolled_out(shop, one, AGENTS[:1])], domain="retail")
        runs.append(str(tmp_path / name))
    (shard,) = (tmp_path / "lost" / "episodes").glob("*.arrow")

    def chosen_then_lost(*given: Any) -> Any:
        shard.unlink(missing_ok=True)
        return chosen(*given)

    monkeypatch.setattr("t2t_dist.export.exporting.chosen", chosen_then_lost)
    found = export(runs, str(tmp_path / "out"), Options("sft"))
    assert sum(found.splits.values()) == 1
    assert found.left_out == {"lost with its shard while it was exported": len(tasks) - 1}
    assert any(shard.name in note for note in found.notes)


def test_every_reason_is_explained() -> None:
    page = (ROOT / "docs" / "export.md").read_text()
    assert [why for why in LeftOut if f"`{why}" not in page] == []


def test_faults_of_the_user_and_long_contexts_are_left_out(shop: Made, tmp_path: Path) -> None:
    tasks = tasks_of(shop, 1)
    rows = rolled_out(shop, tasks, AGENTS[:1])
    rows[0][1]["flags"] = ["empty"]
    for place, (_, row) in enumerate(rows):
        for turn in row["turns"]:
            turn["prompt_tokens"], turn["completion_tokens"] = 100 * (place + 1), 5
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], domain="retail")
    found = made(str(tmp_path / "run"), tmp_path / "a", "sft", filters=Filters(no_faults=True, max_tokens=305))
    assert found.left_out == {"user faults": 1, "too many tokens": 1}
    assert sum(found.splits.values()) == 2


# -- as consumers load it ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("style", "file"), [("hf", "jsonl"), ("hf", "parquet"), ("openai", "jsonl"), ("openai", "parquet")]
)
def test_sft_in_datasets(run: str, tmp_path: Path, offline: Any, style: str, file: str) -> None:
    found = made(run, tmp_path / "out", "sft", style=style, file=file)
    loaded = offline.load_dataset(str(tmp_path / "out"))
    assert {name: len(rows) for name, rows in loaded.items()} == found.splits
    made(run, tmp_path / "lines", "sft", style=style)
    plain = {row["episode_id"]: row for row in lines(tmp_path / "lines")}
    for row in loaded["train"]:
        assert conversation(row) == conversation(plain[row["episode_id"]])
        marks = [m["train"] if style == "hf" else m["weight"] for m in row["messages"]]
        assert any(marks)
        for message in row["messages"]:
            for call in message["tool_calls"] or ():
                assert isinstance(call["function"]["arguments"], dict if style == "hf" else str)


def test_a_folder_that_datasets_opens_both_ways(
    played: list[tuple[str, Row]], run: str, tmp_path: Path, offline: Any
) -> None:
    found = made(run, tmp_path / "out", "hf", shares=(0.6, 0.2, 0.2))
    one, other = offline.load_dataset(str(tmp_path / "out")), offline.load_from_disk(str(tmp_path / "out"))
    assert {name: len(rows) for name, rows in one.items()} == found.splits
    rewards = {row["episode_id"]: row["reward"] for table, row in played if table == "episodes"}
    assert sum(found.splits.values()) == len(rewards)
    for split in found.splits:
        assert one[split].features == other[split].features
        assert one[split].to_list() == other[split].to_list()
        assert all(row["reward"] == rewards[row["episode_id"]] for row in one[split])
    assert {row["reward"] for row in one["train"]} == {0.0, 1.0}


def test_preference_has_the_columns_that_trl_documents(
    played: list[tuple[str, Row]], run: str, tmp_path: Path, offline: Any
) -> None:
    """TRL itself is not installed (it brings torch): its documented contract is checked, conversational with an
    explicit prompt: `prompt`, `chosen`, `rejected` are lists of messages, each completion begins with the assistant."""
    made(run, tmp_path / "out", "preference", shares=(1.0, 0.0, 0.0))
    loaded = offline.load_dataset(str(tmp_path / "out"), split="train")
    episodes = {row["episode_id"]: row for table, row in played if table == "episodes"}
    groups: dict[str, set[float]] = defaultdict(set)
    for row in episodes.values():
        groups[row["task_id"]].add(row["reward"])
    assert Counter(loaded["task_id"]) == Counter({task for task, rewards in groups.items() if rewards == {0.0, 1.0}})
    for row in loaded:
        chosen, rejected = episodes[row["chosen_episode_id"]], episodes[row["rejected_episode_id"]]
        assert (chosen["reward"], rejected["reward"]) == (1.0, 0.0) == (row["chosen_reward"], row["rejected_reward"])
        assert chosen["task_id"] == rejected["task_id"] == row["task_id"]
        assert [m["role"] for m in row["prompt"][:2]] == ["system", "assistant"]
        for side in ("chosen", "rejected"):
            assert row[side][0]["role"] == "assistant"
            assert row[side][-1]["role"] == "assistant"
        assert row["chosen"][0] != row["rejected"][0] or row["chosen"][1] != row["rejected"][1]


def test_rl_has_the_tokens_as_they_were(shop: Made, tmp_path: Path, offline: Any) -> None:
    tasks = tasks_of(shop, 2)
    rows = rolled_out(shop, tasks, AGENTS[:2])
    sampled: dict[str, list[int]] = {}
    for number, (_, row) in enumerate(rows[:-1]):  # the last has none
        so_far: list[int] = []
        for turn in row["turns"]:
            if turn["seat"] == AGENT and turn["role"] == "assistant":
                answer = list(range(3))
                turn["prompt_token_ids"], turn["token_ids"] = [*so_far, number, 7], answer
                turn["logprobs"], turn["prefix_break"] = [-0.25] * 3, None
                so_far = [*turn["prompt_token_ids"], *answer]
                sampled.setdefault(row["episode_id"], []).extend(answer)
    folder = tmp_path / "run"
    settings = {"domain": "retail", "models.capture": "tokens"}
    write_run(folder, [*rows_of(tasks), *rows], **settings)
    found = made(str(folder), tmp_path / "out", "rl", file="parquet")
    assert found.left_out == {"no tokens captured": 1}
    loaded = [row for split in offline.load_dataset(str(tmp_path / "out")).values() for row in split]
    assert {row["episode_id"] for row in loaded} == set(sampled)
    rewards = {row["episode_id"]: row for _, row in rows}
    for row in loaded:
        learnt = [i for i, mark in zip(row["input_ids"], row["loss_mask"], strict=True) if mark]
        assert learnt == sampled[row["episode_id"]]
        assert {p for p, mark in zip(row["logprobs"], row["loss_mask"], strict=True) if mark} == {-0.25}
        assert row["reward"] == rewards[row["episode_id"]]["reward"]
        assert row["parts"] == rewards[row["episode_id"]]["parts"]
    assert {row["reward"] for row in loaded} == {0.0, 1.0}


# -- the card ----------------------------------------------------------------------------------------------------------
def test_the_card_says_where_it_is_from_and_no_secret_is_in_any_file(
    shop: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    agent = "openai:some|model@http://10.1.2.3:8000/v1?api_key=sk-very-secret"
    tasks = tasks_of(shop, 1)
    rows = rolled_out(shop, tasks, AGENTS[:1])
    for _, row in rows:
        row["agent"] = agent
    settings: Row = {"domain": "retail", "agents": [agent], "seed": 11, "models.api_key_env": "MY_KEY"}
    settings |= {"models.sampling": {"agent": {"temperature": 0.7}}}
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], **settings)
    for format in ("sft", "hf"):
        made(str(tmp_path / "run"), tmp_path / format, format)
        for path in (tmp_path / format).rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            assert not [word for word in (b"sk-very", b"10.1.2.3", b"MY_KEY") if word in data], path
        text = (tmp_path / format / "README.md").read_text()
        head = yaml.safe_load(text.split("---")[1])
        assert head["license"] == "other"
        assert head["configs"][0]["data_files"][0]["split"] == "train"
        for part in ("run-1", "retail (database seed 0", "openai:some model", '"temperature":0.7', "certificate"):
            assert part in text
        assert "| seed | 11 |" in text
        assert all(f"| {intent} | openai:some model | yes | 1 |" in text for intent in INTENTS)
    made(str(tmp_path / "run"), tmp_path / "own", "sft", licence="cc-by-4.0")
    assert "license: cc-by-4.0" in (tmp_path / "own" / "README.md").read_text()


def test_bare_rows_are_what_is_trained_on(run: str, tmp_path: Path) -> None:
    made(run, tmp_path / "out", "sft", style="openai", bare=True)
    assert {frozenset(row) for row in lines(tmp_path / "out")} == {frozenset({"messages", "tools"})}


# -- incomplete runs, and bad input ------------------------------------------------------------------------------------
def test_a_run_that_is_still_written_or_lost_a_shard(played: list[tuple[str, Row]], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_run(folder, played, domain="retail", agents=list(AGENTS))
    StatusFile(open_storage(folder), "run-1").write("running", items={"done": 3, "total": 9})
    found = made(str(folder), tmp_path / "a", "sft")
    assert any("still being written, 3 of 9" in note for note in found.notes)
    assert "still being written" in (tmp_path / "a" / "README.md").read_text()
    other = tmp_path / "other"
    write_run(other, played[: -len(AGENTS)], domain="retail", agents=list(AGENTS))
    for path in (other / "episodes").glob("*.arrow"):
        path.unlink()
    with pytest.raises(InputError, match="the same run is named twice"):
        export([str(folder), str(folder)], str(tmp_path / "b"), Options("sft"))
    both = export([str(folder), str(other)], str(tmp_path / "c"), Options("sft"))
    assert both.splits == found.splits
    assert any("missing" in note and "are lost with it" in note for note in both.notes)
    with pytest.raises(InputError, match="no episode to export"):
        made(str(other), tmp_path / "d", "sft")
    for path in (folder / "tasks").glob("*.arrow"):
        path.unlink()
    with pytest.raises(InputError, match="its task can't be read"):
        made(str(folder), tmp_path / "e", "sft")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c", "other", "run"], "nothing half is left"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "tau2"}, "give sft, rl, preference or hf"),  # of tasks: t2t_dist.tau2.export_tasks
        ({"format": "csv"}, "give sft, rl, preference or hf"),
        ({"format": "rl"}, "has no token ids"),
        ({"format": "sft", "filters": Filters(min_reward=0.5)}, "sft never holds failing episodes"),
        ({"format": "sft", "filters": Filters(process=("politeness",))}, "--process politeness"),
        (
            {"format": "sft", "filters": Filters(process=("none", "own_data_only"))},
            "--process all and none stand alone",
        ),
        ({"format": "sft", "filters": Filters(intents=("odd",))}, "--intent odd"),
        ({"format": "sft", "filters": Filters(agents=("nobody",))}, "another agent"),
        ({"format": "hf", "style": "openai"}, "--style openai"),
        ({"format": "sft", "file": "xml"}, "--file xml"),
    ],
)
def test_bad_options_are_one_line(run: str, tmp_path: Path, options: Row, message: str) -> None:
    with pytest.raises(InputError) as error:
        export([run], str(tmp_path / "out"), Options(**options))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(run: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        made(run, tmp_path, "sft")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    (tmp_path / "empty").mkdir()
    assert made(run, tmp_path / "empty", "sft").splits


def test_the_command(run: str, tmp_path: Path) -> None:
    def t2t(*arguments: object) -> Any:
        return CliRunner().invoke(app, ["export", run, "--format", "sft", *map(str, arguments)])

    out = tmp_path / "out"
    done = t2t("--out", out, "--balance", "--split", "2/1/1", "--seed", 5, "--json")
    assert done.exit_code == 0, done.output
    summary = orjson.loads(done.stdout.splitlines()[-1])
    assert summary["splits"] == {name: len(rows) for name, rows in all_rows(out).items()}
    assert set(summary["splits"]) == {"train", "validation", "test"}
    assert len(set(Counter(row["intent"] for rows in all_rows(out).values() for row in rows).values())) == 1
    done = t2t("--out", tmp_path / "all")
    few, many = [line for line in done.stdout.splitlines() if line.startswith("  ")][:2][::-1]
    assert few.endswith("  process check failed: confirmed_before_write")
    assert many.endswith("  reward too low")
    assert "--process none" in done.stdout
    assert "--process none" not in t2t("--out", tmp_path / "asked", "--process", "own_data_only").stdout
    done = t2t("--out", out)
    assert done.exit_code == 2
    assert "is not empty" in done.stderr
    done = t2t("--out", tmp_path / "b", "--split", "much")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
