"""What `t2t submit` makes of its options: a job's driver gets the settings that were checked here, unchanged."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from t2t_dist.cli.follow import settings_hash
from t2t_dist.cli.submit import _SENT_CONFIG, _as_flags, _packed, _requirements, _variables
from t2t_dist.config.loading import load_config, parse_setting
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError

CONFIG = load_config(
    None,
    {
        "pools": {"a": {"model": "some/model"}},
        "agents": ["pool:a"],
        "verify.band": [0.1, 0.9],
        "cluster.workers": {"min": 2, "max": 9},
        "domain": "desk.domain:Desk",
        "seed": 3,
    },
)


def test_as_a_file(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    package = _packed(tmp_path, tmp_path.parent / "p.zip", CONFIG, [], True)
    assert package is not None
    with zipfile.ZipFile(package) as archive:
        (tmp_path / "sent.yaml").write_bytes(archive.read(_SENT_CONFIG))
    assert load_config(str(tmp_path / "sent.yaml"), {}) == CONFIG


@pytest.mark.parametrize("config", [CONFIG, Config()], ids=["many", "none"])
def test_as_flags(config: Config) -> None:
    flags = _as_flags(config)
    assert set(flags[::2]) <= {"--set"}
    assert load_config(None, dict(map(parse_setting, flags[1::2]))) == config


def test_what_a_run_takes_over_from_its_source_does_not_tell_two_runs_apart() -> None:
    mine, other = (config.results_part() for config in (CONFIG, CONFIG.model_copy(update={"domain": "retail"})))
    assert settings_hash(other, "evaluate") == settings_hash(mine, "evaluate")
    assert settings_hash(other, "generate") != settings_hash(mine, "generate")


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "value")
    assert _variables(["HERE", "THERE=a=b", "EMPTY="]) == {"HERE": "value", "THERE": "a=b", "EMPTY": ""}
    with pytest.raises(InputError) as error:
        _variables(["not a name=secret"])
    assert "secret" not in str(error.value)


def test_requirements(tmp_path: Path) -> None:
    file = tmp_path / "more.txt"
    file.write_text("# a comment\nboto3>=1.36\n\nmcp\n")
    assert _requirements(["t2t-dist", str(file)]) == ["t2t-dist", "boto3>=1.36", "mcp"]
    with pytest.raises(InputError, match=r"none\.txt"):
        _requirements(["none.txt"])
