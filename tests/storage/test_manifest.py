"""What a run directory is a run of: written once, compared on every resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from t2t_dist.config.engines import Replicas
from t2t_dist.config.loading import load_config
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.storage.manifest import NAME, Manifest, claim, read_manifest
from t2t_dist.storage.migrations import SCHEMA_VERSION
from t2t_dist.storage.objects.base import Storage
from t2t_dist.storage.objects.opening import create_storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return create_storage(str(tmp_path / "run"))


def manifest(run_id: str = "run-1", **given: Any) -> Manifest:
    settings = given.pop("settings", {})
    config: Config = load_config(None, settings)
    fields = {"kind": "generate", "code": "0.1.0+aa", "source": "src", **given}
    return Manifest(run_id=run_id, results=config.results_part(), config=config, **fields)


def refusal(storage: Storage, other: Manifest) -> str:
    with pytest.raises(InputError) as raised:
        claim(storage, other)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"{storage.describe('')} holds another run; what differs: ")
    assert message.endswith(" Give another --out, or the settings it was started with")
    return message.partition("what differs: ")[2].partition(". Give another")[0]


def test_the_first_to_claim_a_directory_has_it_and_resumes_it(storage: Storage) -> None:
    mine = manifest(settings={"seed": 5, "verify.band": [0.1, 0.9]})
    assert claim(storage, mine) is False
    assert claim(storage, mine) is True
    assert read_manifest(storage) == mine


def test_how_it_is_carried_out_may_differ(storage: Storage) -> None:
    claim(storage, manifest(settings={"cluster.workers": 1}))
    assert claim(storage, manifest(settings={"cluster.workers": 3})) is True
    assert read_manifest(storage).config.cluster.workers == Replicas(min=1, max=1)  # as it was started


def test_what_differs_is_named(storage: Storage) -> None:
    claim(storage, manifest(settings={"seed": 5}))
    assert refusal(storage, manifest("run-2", settings={"seed": 6})) == "seed (5 there, 6 now)"
    several = refusal(storage, manifest("run-2", settings={"seed": 5, "trials": 2, "verify.band": [0.1, 0.9]}))
    assert several == "trials (1 there, 2 now); verify.band ([0.0, 1.0] there, [0.1, 0.9] now)"
    assert refusal(storage, manifest("run-2", settings={"seed": 5}, kind="evaluate")) == (
        "the command (generate there, evaluate now)"
    )
    assert refusal(storage, manifest("run-2", settings={"seed": 5}, code="0.1.0+bb")) == (
        "the code (0.1.0+aa there, 0.1.0+bb now)"
    )
    assert refusal(storage, manifest("run-2", settings={"seed": 5}, source="other")) == (
        "the domain's database, policy, tools or words, or the run it is made from"
    )
    assert refusal(storage, manifest("run-2", settings={"seed": 5})) == "the run id"
    assert read_manifest(storage).run_id == "run-1"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"words": "new"}, "the domain's words (language.yaml)"),
        ({"policy": "new"}, "the domain's policy"),
        ({"words": "new", "database": "new"}, "the domain's database; the domain's words (language.yaml)"),
        ({"run": "new"}, "the run or file that it is made from"),
    ],
)
def test_which_part_of_a_domain_differs_is_named(storage: Storage, changed: dict[str, str], named: str) -> None:
    parts = {"database": "d", "policy": "p", "tools": "t", "words": "w", "run": "r"}
    claim(storage, manifest(parts=parts))
    assert refusal(storage, manifest("run-2", source="other", parts=parts | changed)) == named


def test_a_run_of_before_that_does_not_say(storage: Storage) -> None:
    raw = manifest().model_dump(mode="json")
    del raw["parts"]
    assert storage.put_if_absent(NAME, orjson.dumps(raw))
    assert read_manifest(storage).parts == {}
    assert refusal(storage, manifest("run-2", source="other", parts={"words": "w"})).startswith(
        "the domain's database, policy"
    )


def test_a_setting_that_only_one_side_has_is_named(storage: Storage) -> None:
    claim(storage, manifest())
    other = manifest("run-2")
    other.results["colour"] = "blue"
    assert refusal(storage, other) == "colour (None there, 'blue' now)"


def broken(storage: Storage, data: bytes) -> str:
    storage.put_if_absent(NAME, data)
    with pytest.raises(InputError) as raised:
        read_manifest(storage)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_directory_that_is_no_run(storage: Storage) -> None:
    with pytest.raises(InputError, match=r"this is not a run directory \(it has no run\.json\)"):
        read_manifest(storage)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"3", b'{"schema_version": 1}', b"\xff"])
def test_a_manifest_that_can_not_be_read(storage: Storage, data: bytes) -> None:
    assert "can't be read" in broken(storage, data)


def test_a_manifest_with_a_setting_of_another_version(storage: Storage) -> None:
    raw = manifest().model_dump(mode="json")
    raw["config"]["colour"] = "blue"
    assert "can't be read" in broken(storage, orjson.dumps(raw))


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, None, "1", True])
def test_rows_of_another_schema_version(storage: Storage, version: Any) -> None:
    raw = {**manifest().model_dump(mode="json"), "schema_version": version}
    message = f"rows of schema version {version}, this t2t reads versions 1 to {SCHEMA_VERSION}"
    assert message in broken(storage, orjson.dumps(raw))


def test_a_run_that_never_committed_gives_its_directory_up(tmp_path: Path) -> None:
    storage = create_storage(tmp_path / "run")
    first = Manifest(run_id="run-1", kind="generate", code="c", source="s", results={"seed": 1}, config=Config(seed=1))
    second = first.model_copy(update={"run_id": "run-2", "results": {"seed": 2}, "config": Config(seed=2)})
    assert not claim(storage, first)
    with pytest.raises(InputError, match=r"seed \(1 there, 2 now\)"):
        claim(storage, second)
    assert not claim(storage, second, empty=True)
    assert claim(storage, second)
