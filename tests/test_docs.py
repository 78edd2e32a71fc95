"""What the pages show works as written."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.cli.new_domain import write_domain
from t2t_dist.config.domain import load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import INTENTS
from t2t_dist.pipeline.workloads import Generate
from t2t_dist.synthesis.check_domain import check
from t2t_dist.synthesis.kinds_of_request import kinds_in, kinds_of
from tests import readme
from tests.support.made import make
from tests.support.mcp_domains import SQLITE_ENV, with_server
from tests.support.paths import ROOT
from tests.support.runs import here, t2t

PAGE = ROOT / "docs" / "own-domain.md"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page's two files in an empty folder."""
    page = PAGE.read_text("utf-8")
    folder = tmp_path / "desk"
    folder.mkdir()
    for language, name in (("markdown", "policy.md"), ("python", "domain.py")):
        (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.S)
        (folder / name).write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield "desk.domain:Desk"
    for name in [name for name in sys.modules if name.split(".")[0] == "desk"]:
        del sys.modules[name]


def assert_sound(checked: str, generated: str, shown: str, *, trajectories: int, tasks: int) -> None:
    """What a page's three commands print: a domain without defects, enough verified tasks, all of them solved."""
    assert "defect" not in checked
    verified = re.search(rf"{trajectories} trajectories -> (\d+) verified tasks", generated)
    assert verified is not None
    assert int(verified[1]) >= tasks
    assert "reward 1" in shown
    assert "reward 0" not in shown


@pytest.mark.ray
@pytest.mark.usefixtures("shared_ray")
def test_the_page_followed_literally(tmp_path: Path) -> None:
    """Its files in an empty folder, its commands as they stand there."""
    page = PAGE.read_text("utf-8")
    files = dict(re.findall(r"^`(desk/[\w.]+)`.*?```\w+\n(.*?)```", page, re.S | re.M))
    assert sorted(files) == ["desk/domain.py", "desk/policy.md"]
    assert sum(1 for line in files["desk/domain.py"].splitlines() if line.strip()) < 150
    (tmp_path / "desk").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (commands,) = re.findall(r"```\n(t2t check-domain desk.*?)```", page, re.S)
    printed = []
    for line in commands.strip().splitlines():
        done = t2t(*line.split()[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout + done.stderr)
    assert_sound(*printed, trajectories=40, tasks=60)


@pytest.mark.ray
@pytest.mark.usefixtures("shared_ray")
def test_the_mcp_page_followed_literally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files in an empty folder, its commands as they stand there; the server's environment is that of mcp.sh, which
    installs what the page does."""
    with_server("mcp-server-sqlite", monkeypatch)
    page = (ROOT / "docs/mcp.md").read_text("utf-8")
    files = re.findall(r"^`(library/[\w.]+)`.*?```\w+\n(.*?)```", page, re.S | re.M)
    assert [name for name, _ in files] == ["library/server.yaml", "library/policy.md", "library/library.sql"]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.S | re.M)
    before, after = [text for language, text in blocks if not language]
    installed = ""
    for line in before.strip().splitlines():
        if "server-env" not in line:
            subprocess.run(line, shell=True, cwd=tmp_path, check=True)
        elif "pip install" in line:
            installed = line.partition("pip install ")[2]
    assert installed.split() == ["mcp-server-sqlite==2025.4.25", "mcp==1.30.0"]
    assert set(installed.split()) <= set((ROOT / "tests/support/mcp.sh").read_text("utf-8").replace("'", "").split())
    (tmp_path / "library/server-env").symlink_to(SQLITE_ENV)
    for name, text in files:
        (tmp_path / name).write_text(text)
    printed = []
    for line in after.strip().splitlines():
        if not line.startswith("t2t "):
            subprocess.run(line, shell=True, cwd=tmp_path, check=True)
            continue
        done = t2t(*line.split()[1:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout + done.stderr)
    assert_sound(*printed, trajectories=10, tasks=10)


@pytest.fixture
def courts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What `t2t new-domain` writes, as its user gets it."""
    done = here("new-domain", "tennis_courts", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield json.loads(done.stdout)["domain"]
    for name in [name for name in sys.modules if name.split(".")[0] == "tennis_courts"]:
        del sys.modules[name]


def test_a_new_domain_is_sound_and_gives_all_intents(courts: str) -> None:
    assert courts == "tennis_courts.domain:TennisCourts"
    assert [found for found in check(Config(domain=courts)) if not found.ok] == []
    counts = everything_of(Config(domain=courts, trajectories=60, seed=1))
    assert all(counts[f"tasks.{intent}"] >= 10 for intent in INTENTS), counts
    assert counts["rejected.unsolved"] == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [("Desk", "small letters"), ("json", "already"), ("class", "small letters"), ("a/b", "small letters")],
)
def test_names_that_no_new_domain_can_have(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_domain(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_new_domain_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "courts").mkdir()
    with pytest.raises(InputError, match="is there already"):
        write_domain("courts", tmp_path)
    assert list((tmp_path / "courts").iterdir()) == []


def test_the_domain_of_the_page_is_sound(desk: str) -> None:
    defects = [found for found in check(Config(domain=desk)) if not found.ok]
    assert defects == []


def test_the_domain_of_the_page_gives_tasks_that_the_oracle_solves(desk: str) -> None:
    counts = everything_of(Config(domain=desk, trajectories=40, seed=1))
    assert all(counts[f"tasks.{intent}"] >= 5 for intent in INTENTS), counts
    assert counts["rejected.unsolved"] == 0


def test_the_words_of_the_page_make_its_tasks_hard(desk: str, tmp_path: Path) -> None:
    """Every kind of request that the page says the desk can have is declared, and comes."""
    page = PAGE.read_text("utf-8")
    (words,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    (tmp_path / "desk/language.yaml").write_text(words)
    worded: dict[str, Any] = {"domain": desk, "domain_seed": 2}  # the other tests have loaded it without words
    assert [found for found in check(Config(**worded)) if not found.ok] == []
    said = {"superlative", "set", "by description", "limit", "question", "false claim", "mistake", "second change"}
    domain = load_domain(Config(**worded))
    assert said <= {one.kind for one in kinds_in(domain) if one.by}
    tasks = make(domain, 60, difficulty=3).verified()
    assert {kind for task in tasks for kind in kinds_of(domain, task)} == said
    counts = everything_of(Config(**worded, trajectories=20, difficulty="3", twins=True, seed=1))
    assert counts["twins"] > 10
    assert counts["rejected.unsolved"] == 0


def everything_of(config: Config) -> Counter[str]:
    """The counts of a whole run, without Ray; every episode has passed."""
    work = Generate(config)

    async def everything() -> Counter[str]:
        total: Counter[str] = Counter()
        for item in range(work.size()):
            done = await work.run(item, 1)
            total += done.counts
            assert all(row["reward"] == 1.0 for row in done.rows.get("episodes", []))
        return total

    return asyncio.run(everything())


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]), ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.ray
def test_readme_shows_what_the_commands_print(tmp_path: Path) -> None:
    """A change of what runs result in changes README too: `make readme` writes it anew."""
    for old, new in zip(readme.shown(readme.README.read_text("utf-8")), readme.made(tmp_path), strict=True):
        assert readme.without_seconds(old) == readme.without_seconds(new), "README is out of date: make readme"
