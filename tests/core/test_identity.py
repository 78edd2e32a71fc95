"""Ids and seeds follow from what they identify, and from nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import t2t_dist
from t2t_dist.core.identity import (
    code_version,
    episode_id,
    run_id,
    seed_of,
    stable_hash,
    task_id,
    trajectory_id,
    turn_seed,
)

json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(json_like, max_size=3), st.lists(json_like, max_size=3))
def test_equal_parts_have_equal_hashes_and_others_others(a: list[Any], b: list[Any]) -> None:
    def typed(value: Any) -> Any:  # True is 1 to Python, and not to JSON
        if isinstance(value, dict):
            return {key: typed(inner) for key, inner in value.items()}
        return [typed(inner) for inner in value] if isinstance(value, list) else (type(value), value)

    assert stable_hash(*a) == stable_hash(*a)
    assert (stable_hash(*a) == stable_hash(*b)) == (typed(a) == typed(b))
    assert (seed_of(*a) == seed_of(*b)) == (typed(a) == typed(b))


@given(st.dictionaries(st.text(max_size=4), json_like, max_size=4))
def test_the_order_of_fields_does_not_matter(value: dict[str, Any]) -> None:
    assert stable_hash(dict(reversed(value.items()))) == stable_hash(value)


def test_parts_do_not_run_into_one_another() -> None:
    assert stable_hash("a", "bc") != stable_hash("ab", "c")
    assert stable_hash("a", ["b"]) != stable_hash("a", "b")
    assert stable_hash(1) != stable_hash("1") != stable_hash(True)


@given(st.lists(json_like, max_size=3), st.integers(1, 64))
def test_sizes_and_ranges(parts: list[Any], size: int) -> None:
    assert re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", stable_hash(*parts, size=size))
    assert 0 <= seed_of(*parts) < 2**63
    assert 0 <= turn_seed("ep-1", "agent", len(parts)) < 2**31


def test_hashes_are_the_same_on_every_machine() -> None:
    """Fixed for good: stored ids depend on them."""
    assert stable_hash("run", {"b": 1, "a": [None, 0.5]}) == "876bf62090f30e5c"
    assert seed_of(7, "explore", 3) == 1794311267085932567
    assert trajectory_id("run-1", 0) == "traj-99d8aac206a2e39f"


def test_an_id_tells_apart_all_it_is_made_of() -> None:
    ids = [
        run_id({"seed": 1}, "code", "source"),
        run_id({"seed": 2}, "code", "source"),
        run_id({"seed": 1}, "other", "source"),
        run_id({"seed": 1}, "code", "other"),
        trajectory_id("run-1", 0),
        trajectory_id("run-1", 1),
        trajectory_id("run-2", 0),
        task_id("traj-1", "general"),
        task_id("traj-1", "changing"),
        task_id("traj-2", "general"),
        *(
            episode_id(run, stage, item, trial)
            for run in ("run-1", "run-2")
            for stage in ("rollout", "verify")
            for item in ("task-1/scripted:oracle", "task-1/scripted:hasty")
            for trial in (0, 1)
        ),
    ]
    assert len(set(ids)) == len(ids)
    assert {found.partition("-")[0] for found in ids} == {"run", "traj", "task", "ep"}


def test_every_turn_of_every_seat_has_a_seed_of_its_own() -> None:
    seeds = [turn_seed(ep, seat, turn) for ep in ("a", "b") for seat in ("agent", "user") for turn in range(50)]
    assert len(set(seeds)) == len(seeds)


# -- the code ----------------------------------------------------------------------------------------------------------
def version_of(home: Path) -> str:
    """What the packages under ``home`` say in a process of their own."""
    code = "from t2t_dist.core.identity import code_version as v; print(v())"
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages that results depend on."""
    home = tmp_path_factory.mktemp("code")
    folder = Path(str(t2t_dist.__file__)).parent
    shutil.copytree(folder, home / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    return home


def test_the_version_of_the_code_is_its_content(home: Path) -> None:
    assert code_version().startswith(f"{t2t_dist.__version__}+")
    first = version_of(home)
    policy = home / "t2t_dist" / "environments" / "retail" / "policy.md"
    (home / "t2t_dist" / "environments" / "notes.txt").write_text("nothing to do with results")
    for other in ("cli/terminal.py", "view/pages.py", "storage/ledger.py", "cluster/driver.py", "models/chat.py"):
        (home / "t2t_dist" / other).open("a").write("# how, not what\n")
    assert version_of(home) == first
    policy.write_text(policy.read_text() + "\nR99. One more rule.\n")
    assert version_of(home) != first
