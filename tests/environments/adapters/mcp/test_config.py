"""Mistakes in the file of an MCP domain are reported in one line, before anything else happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from t2t_dist.config.domain import load_domain
from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.environments.adapters.mcp.config import find_file, load
from tests.support.mcp_domains import described
from tests.support.runs import t2t


def problem(name: object) -> str:
    """The message that the person gets."""
    with pytest.raises(InputError) as caught:
        load_domain(Config(domain=f"mcp:{name}"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"templat": "x", "template": None}, "there is no key 'templat'; did you mean template?"),
        ({"server__comand": "x"}, "there is no key 'server.comand'; did you mean command?"),
        ({"tools": {"set_text": {"knd": "write"}}}, "there is no key 'tools.set_text.knd'; did you mean kind?"),
        ({"server": None}, "server: field required"),
        ({"server__timeout": -1}, "server.timeout: input should be greater than 0"),
        ({"customers": {"type": "PersonId"}}, "customers: give either 'people' (a list) or 'table' (of the snapshot)"),
        ({"customers": {"type": "P", "table": "files", "where": {"key": "x"}}}, "no record of files fits 'where'"),
        ({"snapshot": {}}, "snapshot: give either 'files' (patterns) or 'sqlite' (a file)"),
        ({"snapshot": {"files": ["*.txt"]}}, "the snapshot finds nothing in the template"),
        ({"snapshot": {"sqlite": "notes.json"}}, "notes.json can't be read as a SQLite database"),
        ({"template": "nowhere"}, "template: there is no directory"),
        ({"policy": "none.md"}, "policy: there is no file"),
        ({"masked": ["("]}, "masked.0: '(' is not a regular expression"),
        ({"server__command": "mcp-server-nowhere"}, "server.command: there is no program 'mcp-server-nowhere'"),
        ({"server__url": "http://127.0.0.1:1/mcp"}, "server.url needs a {port}"),
        ({"server__args": ["{here}/nothing.py"]}, "did not start as an MCP server (Connection closed): "),
        ({"server__args": ["-c", "print('hello')"]}, "did not start as an MCP server"),
        ({"server__args": ["-c", "input()", "x"], "server__start_timeout": 0.5}, "did not"),
        ({"tools": {"find_persn": {}}}, "the server has no tool 'find_persn'; did you mean find_person?"),
        (
            {"tools": {"find_person": {"arguments": {"mail": "Email"}}}},
            "tools.find_person: there is no argument 'mail'",
        ),
        ({"tools": {"find_person": {"returns": [1, 2]}}}, "tools.find_person: [1, 2] is no type"),
        (
            {"customers": {"type": "PersonId", "table": "file"}},
            "customers.table: the snapshot has no table 'file'; files?",
        ),
        ({"rules": [{"number": 1, "tools": [], "reason": "", "when": {"$a": {"over": 1}}}]}, "no comparison 'over'"),
    ],
)
def test_each_mistake_has_its_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = described(tmp_path, **changes)
    said = problem(file)
    assert message in said
    assert said.startswith(f"domain 'mcp:{file}': ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = described(tmp_path)
    assert f"did you mean {file}?" in problem(file.with_name("serve.yaml"))
    assert "there is no file 'nowhere/x.yaml'; docs/mcp.md describes it" in problem("nowhere/x.yaml")


@pytest.mark.parametrize("text", ["- a list", "name: [", "just words"])
def test_a_file_that_is_no_description(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert "x.yaml" in problem(tmp_path / "x.yaml")


def test_a_file_is_found_from_where_the_driver_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = described(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_file("notes/server.yaml") == file
    assert load(file).name == "notes"


def test_without_the_sdk_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = described(tmp_path)
    monkeypatch.setitem(sys.modules, "mcp", None)  # what Python does for a package that is not there
    assert "MCP domains need the extra 'mcp': pip install 't2t-dist[mcp]'" in problem(file)


def test_a_template_has_one_size(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave 'scale' out"):
        load_domain(Config(domain=f"mcp:{described(tmp_path)}", scale=2.0))


def test_the_command_line_ends_with_2_and_a_line(tmp_path: Path) -> None:
    file = described(tmp_path, server__args=["{here}/nothing.py"])
    done = t2t("check-domain", f"mcp:{file}")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "did not start as an MCP server" in done.stderr.replace("\n", " ")
