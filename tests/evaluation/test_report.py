"""The page of a run: complete, self-contained, and made of a run in any state: whole, half written, damaged, empty."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import msgpack
import orjson
import pyarrow as pa
import pyarrow.ipc
import pytest
from rich.console import Console

from t2t_dist.cli.terminal import summary_tables
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import Claim, Part
from t2t_dist.evaluation.costs import Price
from t2t_dist.evaluation.failure_causes import causes_of
from t2t_dist.evaluation.report.data import ReportData, read_report
from t2t_dist.evaluation.report.drawing import WIDTH, cut, nice
from t2t_dist.evaluation.report.figures import figures
from t2t_dist.evaluation.report.page import csv_of, page, shown, write_files, write_page
from t2t_dist.evaluation.report.tables import Table, tables
from t2t_dist.grading.diagnose import CODES
from t2t_dist.models.metering import PREFIX
from t2t_dist.storage.ledger import Commit, Ledger, ShardInfo
from t2t_dist.storage.migrations import VERSION_KEY
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.partial_run import PartialRun
from t2t_dist.storage.status import StatusFile
from tests.support.finished_run import failed, played, rows_of, write_run
from tests.support.made import Made
from tests.support.matrix import AGENTS, FLAWS, matrix_run, rolled_out, tasks_of

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m ]]> </svg></details><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def run(shop: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five agents on two tasks of each intent, twice; some episodes without a result; tokens spent."""
    folder = tmp_path_factory.mktemp("report") / "run"
    lost = [failed(task, AGENTS[0], trial=7) for task in tasks_of(shop, 2)]
    storage = matrix_run(folder, shop, each=2, trials=2, more=lost)
    head = f"{PREFIX}rollout|agent|openai:m@http://127.0.0.1/v1|"
    spent = {
        "calls": 10,
        "failed": 2,
        "prompt_tokens": 5000,
        "cached_tokens": 1000,
        "completion_tokens": 700,
        "ms": 2500,
    }
    counters = {f"{head}{kind}": n for kind, n in spent.items()}
    Ledger(storage).append(Commit(counters=counters, notes={"ended": "every item is done"}))
    return folder


@pytest.fixture(scope="module")
def data(run: Path) -> ReportData:
    return read_report(PartialRun(str(run)), {"m": Price(1.0, 10.0, 0.5)})


class Tags(HTMLParser):
    """Every tag with its attributes, and whether they close as they open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_whole_run_has_every_figure(data: ReportData) -> None:
    names = [figure.name for figure in figures(data)]
    assert names == [
        "pass-1", "pass-2", "reliability", "agents-compared", "intents-compared", "causes", "funnel", "lengths",
        "durations", "tokens", "throughput", "coverage",
    ]  # fmt: skip
    for figure in figures(data):
        root = xml.fromstring(figure.svg)
        assert root.get("viewBox", "").startswith(f"0 0 {WIDTH} ")
        inside = [float(e.get("x", 0)) for e in root.iter() if e.get("x") and e.get("width", "1") != "100%"]
        assert all(-1 <= x <= WIDTH + 1 for x in inside), figure.name
    assert data.notes == []


def test_the_level_of_a_task_is_a_column_beside_its_intent(shop: Made, tmp_path: Path) -> None:
    tasks = [task.model_copy(deep=True) for task in tasks_of(shop, 2)]
    for number, task in enumerate(tasks):
        assert task.difficulty is not None
        task.difficulty = None if number == 0 else task.difficulty.model_copy(update={"level": 1 + number % 2})
    rows = [played(shop, task, trial=n, well=task.level != 2) for task in tasks for n in range(2)]
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], domain="retail", trials=2)
    data = read_report(PartialRun(str(tmp_path / "run")))
    assert "pass-by-level" in [figure.name for figure in figures(data)]
    (table,) = [table for table in tables(data) if table.name == "pass-by-level"]
    found = {(level, k): (value, n) for _, level, k, value, *_, n in table.rows}
    assert found == {(1, 1): (1.0, 3), (1, 2): (1.0, 3), (2, 1): (0.0, 4), (2, 2): (0.0, 4)}
    text = page(data)
    assert "<th>level 1</th><th>level 2</th></tr>" in text


def test_a_kind_of_request_is_a_row_with_the_tasks_that_have_it(shop: Made, tmp_path: Path) -> None:
    tasks = [task.model_copy(deep=True) for task in tasks_of(shop, 1)]
    for number, task in enumerate(tasks[1:]):
        task.grader.requests = {"0": {"node": "tell", "value": {"node": "count", "of": {"kind": "Order"}}}}
        task.user.claim = Claim(goal=0, text="I'm a gold member.", at_once=True) if number else None
    rows = [played(shop, task, well=task is not tasks[1]) for task in tasks]
    rows.append(failed(tasks[1], trial=1))
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], domain="retail")
    data = read_report(PartialRun(str(tmp_path / "run")))
    (table,) = [table for table in tables(data) if table.name == "pass-by-kind"]
    found = {kind: (value, n) for _, kind, _, value, *_, n in table.rows}
    with_question = len(tasks) - 1
    assert found == {
        "question": (pytest.approx((with_question - 1) / with_question), with_question),
        "false claim": (1.0, with_question - 1),
    }
    text = page(data)
    assert "<tr><td>question</td>" in text
    assert text.index("<td>question</td>") < text.index("<td>false claim</td>")


def test_tasks_that_combine_intents_are_shown_by_what_they_combine(shop: Made, tmp_path: Path) -> None:
    tasks = [task.model_copy(deep=True) for task in tasks_of(shop, 2)]
    for task in tasks:
        if task.intent == "changing" and task.certificate is not None:
            task.certificate.also = [Part(intent="infeasible", goal=1)]
    rows = [played(shop, task, trial=n, well=task.intent == "changing") for task in tasks for n in range(2)]
    write_run(tmp_path / "run", [*rows_of(tasks), *rows], domain="retail", trials=2)
    data = read_report(PartialRun(str(tmp_path / "run")))
    (table,) = [table for table in tables(data) if table.name == "pass-by-combination"]
    found = [(name, k, value, n) for _, name, k, value, *_, n in table.rows]
    assert found == [("changing + infeasible", 1, 1.0, 2), ("changing + infeasible", 2, 1.0, 2)]
    (agent,) = data.summary["agents"].values()
    assert agent["combinations"]["changing + infeasible"]["pass"] == {"pass^1": 1.0, "pass^2": 1.0}
    assert agent["combinations"]["changing + infeasible"]["tasks"] == 2
    assert "<th>changing + infeasible</th></tr>" in page(data)
    printed = StringIO()
    Console(file=printed, width=120).print(*summary_tables(data.summary))
    assert re.search(r"changing \+ infeasible +1\.000", printed.getvalue())


def test_causes_by_agent_are_their_flaws_and_failures_are_counted_apart(data: ReportData) -> None:
    for agent, codes in data.causes.by_agent().items():
        own = sum(n for code, n in codes.items() if code in FLAWS[agent])
        assert own >= 0.9 * sum(codes.values())
    assert data.causes.no_result.total() == 8
    assert {(agent, name) for agent, _, name in data.causes.no_result} == {(AGENTS[0], "engine_timeout")}
    assert data.causes.read == data.causes.failed == len(data.causes.episodes) > 15


def test_the_page_stands_alone(data: ReportData, tmp_path: Path) -> None:
    write_page(data, str(tmp_path / "deep" / "report.html"))
    text = (tmp_path / "deep" / "report.html").read_text("utf-8")
    parsed = Tags(text)
    assert not [tag for tag, _ in parsed.tags if tag in ("script", "link", "img", "iframe", "object")]
    for tag, attributes in parsed.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "href") or (value or "").startswith("#"), (tag, name, value)
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text
    assert 'name="viewport"' in text
    assert "prefers-color-scheme:dark" in text
    words = " ".join(parsed.text)
    for code in data.causes.primary:
        assert CODES[code[2]] in words
    assert "0.0115" in words  # (4000 * 1 + 1000 * 0.5 + 700 * 10) / 1e6
    assert "Transcript" in words


def test_what_models_wrote_can_do_nothing_to_the_page(shop: Made, tmp_path: Path) -> None:
    task = tasks_of(shop, 1)[0]
    rows = []
    for table, row in rolled_out(shop, [task], ["scripted:silent"]):
        row["agent"] = f"openai:{HOSTILE}"
        row["turns"][1]["content"] = HOSTILE + "x" * 100_000
        rows.append((table, row))
    folder = tmp_path / "run"
    matrix_run(folder, shop, each=1, agents=["scripted:oracle"], more=rows)
    data = read_report(PartialRun(str(folder)))
    assert data.causes.read == 1
    text = page(data)
    tags = Tags(text).tags
    assert not [tag for tag, _ in tags if tag in ("script", "img")]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert text.count("<svg") == text.count("</svg>") == len(figures(data))
    assert len(text) < 400_000
    for figure in figures(data):
        xml.fromstring(figure.svg)
        assert "\u202e" not in figure.svg
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(shown("x" * 10**6)) < 2000


def test_figures_and_tables_as_files(data: ReportData, tmp_path: Path) -> None:
    names = write_files(data, str(tmp_path / "files"))
    assert sorted(names) == sorted(path.name for path in (tmp_path / "files").iterdir())
    for name in names:
        content = (tmp_path / "files" / name).read_bytes()
        if name.endswith(".svg"):
            assert b"<style>" in content
            xml.fromstring(content)
        elif name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
            assert len(content) > 2000
    assert {"pass-1.svg", "pass-1.png", "funnel.png", "pass.csv", "causes.csv"} <= set(names)
    with (tmp_path / "files" / "pass.csv").open() as file:
        rows = list(csv.DictReader(file))
    (cell,) = [r for r in rows if (r["agent"], r["intent"], r["k"]) == ("scripted:silent", "general", "1")]
    assert (float(cell["value"]), int(cell["tasks"]), cell["domain"]) == (0.0, 2, "retail")
    with (tmp_path / "files" / "failed-episodes.csv").open() as file:
        assert len(list(csv.DictReader(file))) == data.causes.failed


def test_a_cell_of_a_table_is_never_a_formula() -> None:
    data = csv_of(Table("t", ["said", "n"], [['=HYPERLINK("http://x")', -1], ["@x, y", 0.5], ["plain", 2]]))
    assert list(csv.reader(data.decode().splitlines())) == [
        ["said", "n"], ["'=HYPERLINK(\"http://x\")", "-1"], ["'@x, y", "0.5"], ["plain", "2"]
    ]  # fmt: skip


def test_a_sample_of_the_failed_is_always_the_same(run: Path) -> None:
    one, two = (causes_of(PartialRun(str(run)), limit=10) for _ in range(2))
    assert one.read == len(one.episodes) == 10 < one.failed
    assert one.episodes == two.episodes
    few = causes_of(PartialRun(str(run)), agent="scripted:hasty", intent="ambiguous")
    assert few.failed == few.read == 4
    assert {(cause.agent, cause.intent) for cause in few.episodes} == {("scripted:hasty", "ambiguous")}


# -- incomplete runs -------------------------------------------------------------------------------------------------
def fresh(shop: Made, folder: Path) -> Storage:
    storage: Storage = matrix_run(folder, shop, each=1, agents=["scripted:oracle", "scripted:silent"])
    return storage


def lose(table: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for path in (folder / table).glob("*.arrow"):
            path.unlink()

    return damage


def cut_short(folder: Path) -> None:
    for path in (folder / "episodes").glob("*.arrow"):
        path.write_bytes(path.read_bytes()[:-100])


def newer(folder: Path) -> None:
    """As a t2t of tomorrow would have written it."""
    manifest = orjson.loads((folder / "run.json").read_bytes())
    (folder / "run.json").write_bytes(orjson.dumps(manifest | {"schema_version": 99, "telepathy": True}))


def newer_rows(folder: Path) -> None:
    """One shard of a newer version among those of this one, of the size that the ledger has for it."""
    (path,) = (folder / "episodes").glob("*.arrow")
    with pa.ipc.open_file(path) as file:
        rows = file.read_all()
    schema = rows.schema.with_metadata({VERSION_KEY: b"99"})
    with pa.ipc.new_file(path, schema) as out:
        out.write_table(rows.cast(schema))
    (entry,) = (folder / "ledger").glob("0*1.mp")
    body = msgpack.unpackb(msgpack.unpackb(entry.read_bytes())[-1], strict_map_key=False)
    shards = [ShardInfo(*fields) for fields in body["shards"]]
    shards = [s._replace(bytes=path.stat().st_size, sums=b"") if s.table == "episodes" else s for s in shards]
    entry.unlink()
    Ledger(open_storage(folder)).append(Commit(shards=shards, items=range(1), counters=body["counters"]))


def still_written(folder: Path) -> None:
    status = StatusFile(open_storage(folder), "run-1")
    status.write("running", items={"done": 3, "total": 9})


def stopped(folder: Path) -> None:
    StatusFile(open_storage(folder), "run-1").write("stopped", items={"done": 3, "total": 9})


@pytest.mark.parametrize(
    ("damage", "note", "episodes", "has"),
    [
        (lose("episodes"), "missing; .* rows of table episodes are lost", 8, {"funnel"}),
        (lose("tasks"), "missing; .* rows of table tasks are lost", 8, {"pass-1", "lengths"}),
        (lose("trajectories"), "rows of table trajectories are lost", 8, {"pass-1", "funnel"}),
        (cut_short, "bytes long instead of", 8, {"funnel", "coverage"}),
        (newer, "schema version 99.*only what its ledger counts is shown", 8, {"pass-1"}),
        (newer_rows, "rows of schema version 99", 8, {"funnel"}),
        (still_written, "still being written, 3 of 9 items done", 8, {"pass-1", "funnel"}),
        (stopped, r"not finished \(stopped\), 3 of 9 items done", 8, {"pass-1", "funnel"}),
    ],
)
def test_what_can_be_shown_is_shown_and_what_cannot_is_said(
    shop: Made, tmp_path: Path, damage: Callable[[Path], None], note: str, episodes: int, has: set[str]
) -> None:
    fresh(shop, tmp_path / "run")
    damage(tmp_path / "run")
    data = read_report(PartialRun(str(tmp_path / "run")))
    assert any(re.search(note, line) for line in data.notes), data.notes
    assert data.summary["episodes"] == episodes
    assert has <= {figure.name for figure in figures(data)}
    text = page(data)
    assert "Not shown, or not yet" in text
    assert Tags(text).tags


def test_a_run_without_a_row(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [], domain="retail")
    data = read_report(PartialRun(str(tmp_path / "run")))
    assert data.notes == ["nothing has been committed yet: there are no rows to look at"]
    assert "No data to draw yet" in page(data)
    assert write_files(data, str(tmp_path / "files"))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run directory"):
        PartialRun(str(tmp_path))
    with pytest.raises(InputError, match="no such run directory"):
        PartialRun(str(tmp_path / "none"))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match="can't be read"):
        PartialRun(str(tmp_path))


def test_an_evaluation_whose_tasks_are_gone(shop: Made, tmp_path: Path) -> None:
    rows: list[Any] = rolled_out(shop, tasks_of(shop, 1), ["scripted:silent"])
    settings = {"domain": "retail", "source": str(tmp_path / "gone"), "agents": ["scripted:silent"]}
    write_run(tmp_path / "run", rows, kind="evaluate", **settings)
    data = read_report(PartialRun(str(tmp_path / "run")))
    assert data.causes.read == 0 < data.causes.failed
    assert any("the run its tasks come from can't be read" in note for note in data.notes)
    assert {"pass-1", "lengths"} <= {figure.name for figure in figures(data)}


# -- drawing -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("most", "end"), [(0, 1), (1, 1), (0.3, 0.3), (7, 8), (10, 10), (1234, 1500), (99_000, 100_000)]
)
def test_an_axis_ends_at_a_round_number_that_reaches_the_data(most: float, end: float) -> None:
    top, step = nice(most)
    assert top == pytest.approx(end)
    assert top >= most
    assert 1 <= top / step <= 6


def test_a_name_is_cut_in_its_middle() -> None:
    assert cut("short", 200) == "short"
    assert cut("openai:a-very-long-name@http://127.0.0.1:8000/v1", 100).startswith("openai")
    assert cut("openai:a-very-long-name@http://127.0.0.1:8000/v1", 100).endswith("v1")
