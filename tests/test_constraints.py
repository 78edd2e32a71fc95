"""The pins: one environment must not be installable with other versions than the other."""

from __future__ import annotations

import re
import tomllib

from tests.support.paths import ROOT

#: vLLM's compiler lags behind, and with it the numpy it takes.
OLDER_FOR_VLLM = {"numpy"}


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    found = [re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line) for line in lines]
    assert all(found), "a line that is no pin"
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def test_the_environment_with_vllm_has_the_pins_of_the_other() -> None:
    """A package without a pin is looked for in all its versions: minutes, and often no answer."""
    base, vllm = pins("constraints.txt"), pins("constraints-vllm.txt")
    assert {name: pin for name, pin in base.items() if vllm.get(name) != pin and name not in OLDER_FOR_VLLM} == {}


def test_what_is_asked_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-") for requirement in asked}
    assert names - pins("constraints.txt").keys() - {"t2t-dist"} == set()
