"""A run in which everything fails stops early, says why, exits 3, and tries again once that is put right."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from t2t_dist import evaluate as evaluate_from_python
from t2t_dist.storage.objects.opening import open_storage
from t2t_dist.storage.reader import RunReader
from t2t_dist.storage.rows import SCHEMAS
from t2t_dist.storage.status import read_status
from tests.support.fake_endpoint import FakeEndpoint, in_thread, text
from tests.support.finished_run import LIBRARY, rows_of, write_run
from tests.support.made import Made
from tests.support.runs import duplicates, here, here_json, unnamed_shards

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

QUICK = ["--set", "models.max_attempts=1", "--set", "limits.attempts=1", "--workers", 1]


@pytest.fixture(scope="module")
def tasks(desk: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("no-result") / "tasks"
    write_run(folder, rows_of(desk.verified()[:8]))
    return folder


def failures(out: Path) -> list[dict[str, Any]]:
    return list(RunReader(open_storage(out), SCHEMAS).rows("failures"))


def test_a_refused_key_stops_the_run_and_the_right_one_resumes_it(
    tasks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, broken = tmp_path / "e", True
    endpoint = FakeEndpoint(faults=lambda index, body: "401" if broken else None)
    with in_thread(endpoint):
        flags = ["evaluate", tasks, "--agent", f"openai:m@{endpoint.url}", "--trials", 10, *QUICK, "--out", out]
        flags += ["--set", "limits.stop_if_first_fail=6", "--concurrency", 4]
        done = here(*flags)
        assert done.returncode == 3, done.stderr
        said = " ".join(done.stderr.split())
        assert "stopped early, as the first" in said
        assert "items all failed, by engine_bad_response: put it right, and the same command tries again" in said
        rows = failures(out)
        assert 6 <= len(rows) < 80
        assert f"{len(rows)} x engine_bad_response: " in said
        assert "Incorrect API key provided" in said
        assert {row["failure"] for row in rows} == {"engine_bad_response"}
        status = read_status(open_storage(out))
        assert status is not None
        assert status["state"] == "stopped"
        assert here("report", out).returncode == 0

        again = here(*flags)  # nothing was put right
        assert again.returncode == 3
        assert f"{len(rows)} items that failed are tried again" in caplog.text
        assert duplicates(out)["failures"] == 0

        broken = False
        summary = here_json(*flags)
    assert (summary["episodes"], summary["failures"]) == (80, {})
    assert "no_result" not in summary
    assert summary["run_s"] > summary["wall_s"] > 0
    assert failures(out) == []
    assert duplicates(out) == dict.fromkeys(SCHEMAS, 0)
    assert unnamed_shards(out) == []


def test_a_small_run_ends_by_itself_with_the_messages(tasks: Path, tmp_path: Path) -> None:
    def faults(index: int, body: dict[str, Any]) -> str | None:
        return "not_json"

    with in_thread(FakeEndpoint(faults=faults)) as endpoint:
        model = f"openai:m@{endpoint.url}"
        done = here("evaluate", tasks, "--agent", model, *QUICK, "--out", tmp_path / "e", "--fail-under", "pass^1>=0.1")
        assert done.returncode == 3, done.stderr
        said = " ".join(done.stderr.split())
        assert "no rollout has a result: put it right, and the same command tries again what failed" in said
        assert "8 x engine_bad_response: " in said
        settings = {"models.max_attempts": 1, "limits.attempts": 1, "cluster.workers": 1}
        named = {name.replace(".", "__"): value for name, value in settings.items()}
        run = evaluate_from_python(str(tasks), str(tmp_path / "p"), agents=[model], **named)
    assert run.no_result == "no rollout has a result"
    ((message, *more),) = [run.summary["messages"]]
    assert (message["what"], message["count"], more) == ("engine_bad_response", 8, [])


def test_a_writer_that_never_gives_json(tmp_path: Path) -> None:
    with in_thread(FakeEndpoint(lambda body: text("Of course, here it is!"))) as endpoint:
        flags = ["--domain", LIBRARY, "--writer", f"openai:m@{endpoint.url}", "--trajectories", 30, "--workers", 1]
        stop = ["--set", "limits.stop_if_first_fail=3", "--concurrency", 2]
        done, again = (here("generate", *flags, *stop, "--until", "convert", "--out", tmp_path / "g") for _ in range(2))
    assert again.returncode == 3
    assert re.search(r"graded episodes in \d+\.\d s\n", done.stderr)
    both = re.search(r"in (\d+\.\d) s \(the run: (\d+\.\d) s, over all its sessions\)", again.stderr)
    assert both is not None
    assert float(both[2]) > float(both[1])
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stderr.split())
    assert "items all failed, by bad_words" in said
    assert "x bad_words: the answer holds no JSON object" in said
    assert "t2t show" in said
    assert "--rejected" in said


def test_an_explorer_that_is_refused_where_stopping_is_turned_off(tmp_path: Path) -> None:
    with in_thread(FakeEndpoint(faults=lambda index, body: "401")) as endpoint:
        flags = ["--domain", LIBRARY, "--explorer", f"openai:m@{endpoint.url}", "-n", 40, *QUICK]
        done = here("explore", *flags, "--set", "limits.stop_if_first_fail=0", "--out", tmp_path / "x", "--json")
    assert done.returncode == 3, done.stderr
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    assert summary["no_result"] == "no trajectory was kept"
    assert [(one["what"], one["count"]) for one in summary["messages"]] == [("engine_bad_response", 40)]
    assert "no trajectory was kept: put it right" in " ".join(done.stderr.split())


def test_one_of_two_agents_without_a_result(tasks: Path, tmp_path: Path) -> None:
    with in_thread(FakeEndpoint(faults=lambda index, body: "401")) as endpoint:
        lost = f"openai:m@{endpoint.url}"
        flags = ["--agent", lost, "--agent", "scripted:oracle", *QUICK, "--out", tmp_path / "e"]
        done = here("evaluate", tasks, *flags)
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stderr.split())
    assert f"{lost} has no result: all its 8 episodes failed, 8 of them by engine_bad_response: " in said
    assert f"roll this agent out again: t2t evaluate {tasks} --agent {lost} --out ANOTHER-RUN" in said


def test_failures_among_results_stay_and_are_listed(tasks: Path, tmp_path: Path) -> None:
    def faults(index: int, body: dict[str, Any]) -> str | None:
        return "500" if index < 3 else None

    with in_thread(FakeEndpoint(lambda body: text("###STOP###"), faults)) as endpoint:
        flags = ["evaluate", tasks, "--agent", f"openai:m@{endpoint.url}", *QUICK, "--concurrency", 1]
        flags += ["--out", tmp_path / "e"]
        first = here_json(*flags)
        again = here_json(*flags)
    assert first["failures"] == {"engine_unavailable": 3}, "the first ones, in shards of their own"
    assert first["messages"][0]["what"] == "engine_unavailable"
    assert again["failures"] == first["failures"], "they are not tried again"
    assert again["run_s"] == first["run_s"]
