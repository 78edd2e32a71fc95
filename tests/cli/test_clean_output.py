"""Nothing from outside acts on the terminal or begins a line of its own, whichever command prints it; no key shows."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.cli.consoles import CleanConsole, LogHandler, err_console, out_console, print_line
from t2t_dist.cli.terminal import causes_tables, findings_table
from t2t_dist.core.schema import Failure, ToolCall, Turn
from t2t_dist.evaluation.failure_causes import Cause, Causes
from t2t_dist.pipeline.preflight import CheckResult
from t2t_dist.storage.rows import failure_row
from t2t_dist.storage.status import StatusFile
from tests.support import hostile
from tests.support.finished_run import played, rows_of, write_run
from tests.support.paths import ROOT
from tests.support.runs import here, t2t
from tests.support.viewed import episode_of, library, row_of

KEY = "sk-test-51HqLyjWDarjtT1zdp7dc"
EVIL = (
    f"\x1b]0;owned\x07\x1b[31mred\x9b2J \x00\x7f {hostile.BIDI} [bold]b[/] \\[link=http://x.example]y\r\n"
    f"error: forged\nreward 1\u2028{KEY}"
)


def assert_clean(*texts: str) -> None:
    for text in texts:
        bad = {c for c in text if c != "\n" and not c.isprintable()}
        assert not bad, (bad, text[:2000])
        assert not [line for line in text.splitlines() if line.startswith(("error: forged", "reward 1"))], text[:2000]
        assert not [at for at in range(len(KEY) - 7) if KEY[at : at + 8] in text], text[:2000]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_KEY", KEY)
    for console in (out_console, err_console):  # no line is wrapped: one that begins with outside text was forged
        monkeypatch.setattr(console, "_width", 5_000)


# -- stored runs -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every text that a model, a tool or an endpoint decides is hostile."""
    made, folder = library(), tmp_path_factory.mktemp("hostile") / "run"
    task = made.one("general").model_copy(deep=True)
    rejected = task.model_copy(deep=True, update={"task_id": "task-rejected", "verdict": "rejected", "detail": EVIL})
    rejected.reasons = ["unsolved"]
    for each in (task, rejected):
        each.user.persona, each.user.name = EVIL, EVIL
        each.user.goals[0].request = EVIL
    episode = episode_of(played(made, task)[1])
    failed = episode_of(played(made, task, agent="scripted:silent", well=False)[1])
    for one in (episode, failed):
        one.turns = [
            *one.turns,
            Turn("user", "user", EVIL),
            Turn("agent", "assistant", EVIL, model=EVIL, tool_calls=[ToolCall(EVIL[:99], EVIL[:60], EVIL)]),
            Turn("agent", "tool", EVIL, tool_call_id=EVIL[:99], error=True),
        ]
        one.outcome.detail = {EVIL: EVIL}
    names = ("episode_id", "run_id", "stage", "domain", "task_id", "intent", "trial", "agent", "user")
    lost = Failure(
        **{name: getattr(episode, name) for name in names if name != "trial"},
        trial=7,
        attempts=1,
        failure="engine_bad_response",
        message=EVIL,
        turns=[],
        started=1.0,
        duration=1.0,
    )
    rows = [*rows_of([task, rejected]), row_of(episode), row_of(failed), ("failures", failure_row(lost))]
    storage = write_run(folder, rows, models={"api_key_env": "TEST_API_KEY"})
    engine = {"engine": EVIL, "state": EVIL, "restarts": 1, "limit": 1, "metrics": {}, "log": EVIL, "notes": [EVIL]}
    StatusFile(storage, "run-1").write(
        "failed",
        EVIL,
        elapsed_s=1.0,
        items={"done": 1, "poisoned": 0, "total": 2, "workers_lost": 0, "requeued": 0},
        counts={"tasks.general": 1},
        yields={},
        workers={},
        lag_ms=0.0,
        waiting_for="",
        notes=[EVIL],
        slowest=[],
        metrics="",
        engines=[engine | {"timeline": [(1.0, EVIL, EVIL)]}],
    )
    return folder


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "RUN", "--intent", "general"],
        ["show", "RUN", "--intent", "general", "--rejected"],
        ["report", "RUN", "--no-html"],
        ["failures", "RUN", "--all"],
        ["status", "RUN", "--timeline"],
        ["verify", "RUN"],
        ["regrade", "RUN"],
        ["export", "RUN", "--format", "sft", "--out", "OUT"],
    ],
    ids=lambda arguments: "-".join(arguments[:1] + arguments[4:5]),
)
def test_a_hostile_run_is_only_shown(run: Path, tmp_path: Path, arguments: list[str], as_json: bool) -> None:
    if arguments[0] == "show" and as_json:
        arguments = [*arguments, "-n", "1"]  # it has no JSON
        as_json = False
    places = {"RUN": str(run), "OUT": str(tmp_path / "out")}
    done = here(*(places.get(part, part) for part in arguments), *(["--json"] if as_json else []))
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout + done.stderr
    assert_clean(done.stdout, done.stderr)
    if as_json:
        json.loads(done.stdout)


def test_json_says_what_is_there(run: Path) -> None:
    """Written so that no terminal acts on it, and still the text itself, less the key."""
    notes = json.loads(here("status", run, "--json").stdout)["notes"]
    assert notes == [EVIL.replace(KEY, "***")]


# -- endpoints ---------------------------------------------------------------------------------------------------------
class _Echo(BaseHTTPRequestHandler):
    """Serves hostile names of models, and says what it was sent."""

    def do_GET(self) -> None:
        status = 500 if self.path.startswith("/broken") else 200
        listed = {"data": [{"id": EVIL}, {"id": self.headers.get("Authorization", "")}]}
        body = json.dumps({"error": {"message": EVIL}} if status == 500 else listed).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["v1", "broken/v1"])
def test_an_endpoint_that_repeats_the_key_is_quoted_without_it(endpoint: str, path: str, tmp_path: Path) -> None:
    flags = ["--agent", f"openai:m@{endpoint}/{path}", "--set", "models.api_key_env=TEST_API_KEY"]
    done = here("generate", *flags, "--out", tmp_path / "run")
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "***" in done.stderr
    assert_clean(done.stderr)


# -- the rest of what prints -------------------------------------------------------------------------------------------
def printed(*parts: Any, **options: Any) -> str:
    file = io.StringIO()
    console = CleanConsole(file=file, width=2_000, highlight=False, **options)
    for part in parts:
        console.print(part)
    return file.getvalue()


def test_tables_and_findings(run: Path) -> None:
    here("status", run)  # a command knows the keys of its environment
    cause = Cause(EVIL, EVIL, EVIL, EVIL, 1, EVIL, EVIL, [EVIL, EVIL])
    causes = Causes(failed=1, read=1)
    causes.primary[EVIL, EVIL, EVIL] = causes.applies[EVIL, EVIL, EVIL] = 1
    causes.no_result[EVIL, EVIL, EVIL] = 1
    findings = [CheckResult(EVIL, state, EVIL) for state in ("ok", "note", "defect")]
    assert_clean(printed(*causes_tables(causes, [cause], 1), findings_table(findings)))


def test_our_own_colours_are_the_only_ones(run: Path) -> None:
    here("status", run)
    table = findings_table([CheckResult(EVIL, "defect", EVIL)])
    text = printed(table, force_terminal=True, color_system="standard")
    assert "\x1b[1;31mdefect\x1b[0m" in text
    for own in ("\x1b[1m", "\x1b[1;31m", "\x1b[0m"):
        text = text.replace(own, "")
    assert_clean(text)


def test_there_is_one_way_to_the_terminal() -> None:
    """A command that printed by itself would have to remember all of this."""
    others = re.compile(r"(?<![.\w])print\(|\bstd(out|err)\.write\(|\becho\(|(?<!Clean)\bConsole\(")
    # Three speak while the consoles are not loaded yet or can't be used, in words of their own or in ASCII.
    apart = {"consoles.py", "__main__.py", "supervisor.py", "streams.py"}
    files = [path for path in (ROOT / "t2t_dist/cli").glob("*.py") if path.name not in apart]
    assert len(files) > 10
    assert [path.name for path in files if others.search(path.read_text("utf-8"))] == []


def test_lines_of_logs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here("status", run)
    print_line(EVIL.replace("\n", "\t"))
    log = logging.Logger("log")
    log.addHandler(LogHandler())
    log.warning("the store says %s", EVIL)
    out, err = capsys.readouterr()
    assert out == ""
    assert_clean(err.replace("\t", " "))
    assert len(err.splitlines()) == 2
    assert "\terror: forged\t" in err, "tabs stay, as the job wrote them"


def test_warnings_before_anything_is_set_up_are_cleaned(tmp_path: Path) -> None:
    """Of the whole process: what the library logs has no handler of ours."""
    (tmp_path / "noisy.py").write_text(
        "import logging\nlogging.getLogger('t2t').warning('a \\x1b[31m b')\nraise ImportError('c \\x1b[31m d')\n"
    )
    done = t2t("check-domain", "noisy:Domain", cwd=tmp_path)
    assert done.returncode == 2
    assert "a \ufffd[31m b" in done.stderr
    assert_clean(done.stderr)
