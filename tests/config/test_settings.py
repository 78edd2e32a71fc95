"""One configuration, from a file, --set and flags; each mistake is reported in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from t2t_dist.config.engines import Replicas
from t2t_dist.config.loading import load_config, parse_setting
from t2t_dist.config.settings import HOW, Config, ModelSettings
from t2t_dist.core.errors import InputError

#: Settings that say how a run is carried out: they may differ when it is resumed.
HOW_NAMES = {
    "limits.deadline_s",
    "limits.explore_s",
    "limits.convert_s",
    "limits.attempts",
    "limits.stop_if_first_fail",
    "models.answer",
    "models.deadline_s",
    "models.max_attempts",
    "models.backoff_base_s",
    "models.record",
    "models.api_key_env",
    "models.patience_s",
    "cluster",
    "source",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.yaml"


def complaint(file: Path | None = None, **overrides: Any) -> str:
    with pytest.raises(InputError) as raised:
        load_config(None if file is None else str(file), {name.replace("__", "."): v for name, v in overrides.items()})
    message = str(raised.value)
    assert "\n" not in message
    return message


# -- where settings come from ------------------------------------------------------------------------------------------
def test_without_anything_the_defaults_hold() -> None:
    assert load_config(None, {}) == Config()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("seed", 10**20), ("limits.max_steps", 2**63), ("limits.deadline_s", float("inf")), ("cluster.lease_s", 1e400)],
)
def test_numbers_that_can_not_be_stored_are_named(setting: str, value: float) -> None:
    message = complaint(**{setting: value})
    assert setting in message
    assert "64 bits" in message or "finite" in message


def test_overrides_stand_above_the_file_and_the_file_above_the_defaults(file: Path) -> None:
    file.write_text("seed: 3\ntrajectories: 7\nverify:\n  min_mark: 5\n  band: [0.2, 0.9]\nlimits:\n  max_steps: 40\n")
    config = load_config(str(file), {"trajectories": 9, "verify.min_mark": 6.5, "cluster.workers": 2})
    assert (config.seed, config.trajectories) == (3, 9)
    assert (config.verify.min_mark, config.verify.band) == (6.5, (0.2, 0.9))
    assert (config.limits.max_steps, config.limits.max_errors) == (40, 10)
    assert config.cluster.workers == Replicas(min=2, max=2)


def test_empty_files_and_sections_are_no_mistake(file: Path) -> None:
    file.write_text("")
    assert load_config(str(file), {}) == Config()
    file.write_text("limits:\n")
    assert load_config(str(file), {"limits.max_steps": 9}).limits.max_steps == 9


def test_what_is_printed_can_be_read_again() -> None:
    config = load_config(None, {"seed": 4, "agents": ["scripted:hasty"], "models.sampling": {"user": {"top_p": 0.5}}})
    assert Config.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("seed=3", ("seed", 3)),
        ("scale=0.5", ("scale", 0.5)),
        ("scale=5e-1", ("scale", 0.5)),
        ("models.deadline_s=1.5e3", ("models.deadline_s", 1500.0)),
        ("agents=[scripted:oracle, scripted:hasty]", ("agents", ["scripted:oracle", "scripted:hasty"])),
        ("models.sampling={user: {top_p: 0.5}}", ("models.sampling", {"user": {"top_p": 0.5}})),
        ("user=openai:m@http://127.0.0.1:8000/v1", ("user", "openai:m@http://127.0.0.1:8000/v1")),
        ("models.record=", ("models.record", "")),
        (" limits.max_steps = 9 ", ("limits.max_steps", 9)),
        ("a=b=c", ("a", "b=c")),
        ("models.send_seed=false", ("models.send_seed", False)),
    ],
)
def test_a_setting_on_the_command_line(text: str, setting: tuple[str, Any]) -> None:
    assert parse_setting(text) == setting


@pytest.mark.parametrize("text", ["seed", "", "=3", " =3", "seed=[1", "seed={a"])
def test_an_invalid_setting(text: str) -> None:
    with pytest.raises(InputError, match=r"^--set .*") as raised:
        parse_setting(text)
    assert "\n" not in str(raised.value)


@given(st.text(max_size=30))
def test_whatever_is_set_is_read_or_reported(text: str) -> None:
    try:
        path, _ = parse_setting(text)
    except InputError:
        return
    assert path == text.partition("=")[0].strip() != ""


# -- mistakes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"trajectory": 3}, "config: trajectory: there is no such setting; did you mean trajectories?"),
        ({"limits__max_step": 3}, "config: limits.max_step: there is no such setting; did you mean limits.max_steps?"),
        ({"verify__xyz": 3}, "config: verify.xyz: there is no such setting; settings here: min_mark, reference,"),
        (
            {"models__sampeling": {}},
            "config: models.sampeling: there is no such setting; did you mean models.sampling?",
        ),
        ({"trajectories": 0}, "config: trajectories: input should be greater than or equal to 1, got 0"),
        ({"trajectories": "many"}, "config: trajectories: input should be a valid integer"),
        ({"scale": -1}, "config: scale: input should be greater than 0, got -1"),
        (
            {"intents": ["genral"]},
            "config: intents.0: input should be 'general', 'ambiguous', 'changing'",
        ),
        ({"intents": []}, "config: intents: "),
        ({"until": "verify"}, "config: until: input should be 'explore', 'convert' or 'rollout', got 'verify'"),
        ({"verify": 3}, "config: verify: this is a section, not a value, got 3"),
        ({"seed__deep": 3}, "config: seed.deep: there is no such setting; seed is a value, not a section"),
        ({"max_steps": 3}, "config: max_steps: there is no such setting; did you mean limits.max_steps?"),
        ({"limit__max_steps": 3}, "config: limit.max_steps: there is no such setting; did you mean limits.max_steps?"),
        (
            {"pools": {"p": {"modle": "m"}}},
            "config: pools.p.modle: there is no such setting; did you mean pools.p.model?",
        ),
        (
            {"cluster__workers": {"mni": 1}},
            "config: cluster.workers.mni: there is no such setting; did you mean cluster.",
        ),
        ({"cluster__concurrency": True}, "config: cluster.concurrency: input should be a valid integer, got True"),
        ({"cluster__concurrency": 2.5}, "config: cluster.concurrency: input should be a valid integer, got 2.5"),
        ({"cluster__concurrency": "many"}, "config: cluster.concurrency: input should be a valid integer, got 'many'"),
        ({"cluster__workers": True}, "config: cluster.workers.min: input should be a valid integer, got True"),
        ({"scale": True}, "config: scale: input should be a valid number, got True"),
        ({"verify__band": [False, True]}, "config: verify.band.0: input should be a valid number, got False"),
        ({"models__send_seed": "yes"}, "config: models.send_seed: input should be a valid boolean, got 'yes'"),
        ({"trials": True}, "config: trials: give 1 or more, or adaptive, got True"),
        (
            {"until": "rolout"},
            "config: until: input should be 'explore', 'convert' or 'rollout', got 'rolout', did you",
        ),
        ({"verify__band": [0.1]}, "config: verify.band.1: field required"),
        ({"cluster__workers": 0}, "config: cluster.workers: a run needs a worker; give 1 or more, got 0"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line(overrides: dict[str, Any], message: str) -> None:
    assert complaint(**overrides).startswith(message)


def test_a_message_names_the_option_that_gave_the_value() -> None:
    given = {"intents": ["genral"], "limits.max_step": 3}
    with pytest.raises(InputError, match=r"^--set limits\.max_step: there is no such setting"):
        load_config(None, given, {"intents": "--intent", "limits.max_step": "--set limits.max_step"})
    with pytest.raises(InputError, match=r"^--intent: .*, got 'genral', did you mean general\?$"):
        load_config(None, {"intents": ["genral"]}, {"intents": "--intent"})


def test_a_path_through_a_value(file: Path) -> None:
    file.write_text("seed: 3\n")
    assert complaint(file, seed__deep=1) == "--set seed.deep: 'seed' is a value, not a section"


def test_files_that_can_not_be_read(file: Path, tmp_path: Path) -> None:
    assert complaint(file) == f"config {file}: No such file or directory; give a YAML file with settings"
    assert complaint(tmp_path).startswith(f"config {tmp_path}: ")
    file.write_text("seed: [1\n  2: {")
    assert complaint(file).startswith(f"config {file} is not YAML: ")
    file.write_bytes(b"seed: \xff\xfe")
    assert complaint(file).startswith(f"config {file} is not YAML: ")
    file.write_text("- seed\n")
    assert complaint(file) == f"config {file} must be a mapping of settings, such as 'domain: retail'"
    file.write_text("seed: 1\ntrails: 2\n")
    assert complaint(file) == f"config {file}: trails: there is no such setting; did you mean trials?"
    file.write_text("1: 2\n")
    assert complaint(file).startswith(f"config {file}: ")


# -- values ------------------------------------------------------------------------------------------------------------
def test_intents_come_in_their_order_once() -> None:
    config = load_config(None, {"intents": ["infeasible", "general", "infeasible"]})
    assert config.intents == ["general", "infeasible"]


def test_every_model_of_a_run_is_checked_by_its_seat() -> None:
    config = load_config(None, {"agents": ["scripted:oracle", "openai:m@http://h/v1"], "judges": ["recorded:f"]})
    assert config.check_models() == [
        ("scripted:oracle", "agent"),
        ("openai:m@http://h/v1", "agent"),
        ("scripted", "user"),
        ("graph", "explorer"),
        ("template", "writer"),
        ("recorded:f", "judge"),
        ("scripted:oracle", "agent"),
    ]
    for setting in ("agents", "judges"):
        with pytest.raises(InputError, match="scripted:orakel"):
            load_config(None, {setting: ["scripted:orakel"]}).check_models()
    with pytest.raises(InputError, match="explorer"):
        load_config(None, {"explorer": "template"}).check_models()
    unused = load_config(None, {"verify.reference": "nobody", "verify.reference_trials": 0})
    assert ("nobody", "agent") not in unused.check_models()


@pytest.mark.parametrize(
    ("overrides", "asks"),
    [
        ({}, False),
        ({"agents": ["scripted:hasty"]}, False),
        ({"user": "openai:m@http://h/v1"}, True),
        ({"judges": ["recorded:f"]}, True),
        ({"explorer": "recorded:f"}, True),
        ({"verify.reference": "openai:m@http://h/v1"}, True),
    ],
)
def test_whether_a_run_waits_for_models(overrides: dict[str, Any], asks: bool) -> None:
    assert load_config(None, overrides).asks_models() is asks


# -- what changes results ----------------------------------------------------------------------------------------------
def leaves(section: type[BaseModel], prefix: str = "") -> set[str]:
    names = set()
    for name, info in section.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and name not in ("cluster", "answer"):
            names |= leaves(kind, f"{prefix}{name}.")
        else:
            names.add(prefix + name)
    return names


def test_the_part_that_changes_results_is_all_but_how_it_is_carried_out() -> None:
    without_pools = {name for name in leaves(Config) if name.split(".")[0] not in ("engine", "pools", "budget")}
    assert set(Config().results_part()) == without_pools - HOW_NAMES
    assert {name for name, info in Config.model_fields.items() if info.json_schema_extra == HOW} == {
        "budget",
        "cluster",
    }


@pytest.mark.parametrize(
    "overrides",
    [
        {"cluster.workers": 3, "cluster.concurrency": 4},
        {"limits.deadline_s": 5.0, "limits.explore_s": 5.0, "limits.convert_s": 5.0, "limits.attempts": 1},
        {"budget.tokens": 5, "budget.wall_s": 1.0, "cluster.workers": {"min": 1, "max": 9}},
        {"models.deadline_s": 5.0, "models.max_attempts": 1, "models.backoff_base_s": 0.1, "models.record": "f"},
        {"models.api_key_env": "KEY", "models.answer.mib": 1.0, "models.answer.calls": 3},
        {"source": "/runs/a"},
    ],
)
def test_how_a_run_is_carried_out_does_not_change_what_it_is(overrides: dict[str, Any]) -> None:
    assert load_config(None, overrides).results_part() == Config().results_part()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1),
        ("trials", 2),
        ("verify.band", [0.1, 0.9]),
        ("limits.max_steps", 9),
        ("models.sampling", {"user": {"top_p": 0.5}}),
        ("models.send_seed", False),
        ("limit", 5),
        ("agents", ["scripted:hasty"]),
    ],
)
def test_what_comes_out_changes_with_the_rest(name: str, value: Any) -> None:
    part, default = load_config(None, {name: value}).results_part(), Config().results_part()
    assert {key for key in default if default[key] != part[key]} == {name}
    assert part[name] == value


def test_every_setting_says_what_it_is() -> None:
    def described(section: type[BaseModel]) -> None:
        for name, info in section.model_fields.items():
            kind = info.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                described(kind)
            else:
                assert info.description, name

    described(Config)
    assert ModelSettings.model_fields.keys() <= {name.removeprefix("models.") for name in leaves(Config)}


@pytest.mark.parametrize("weight", [-1.0, float("nan"), 2000.0])
def test_a_weight_of_an_errand_is_a_number_from_0_to_1000(weight: float) -> None:
    with pytest.raises(InputError, match="errand_weights"):
        load_config(None, {"errand_weights": {"cancel_pending_order": weight}})


def test_weights_of_errands_are_part_of_what_a_run_is() -> None:
    config = load_config(None, {"errand_weights": {"cancel_pending_order": 2}})
    assert config.results_part()["errand_weights"] == {"cancel_pending_order": 2.0}
