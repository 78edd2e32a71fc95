"""The names in the table of families are names of this vLLM."""

from __future__ import annotations

import json
import subprocess
import sys

from t2t_dist.actors.families import FAMILIES, UNKNOWN

#: In a process of its own: vLLM takes long to import, and changes much of the process it is imported to.
LIST = """
import json, sys
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager
names = [list(manager.list_registered()) for manager in (ToolParserManager, ReasoningParserManager)]
print(json.dumps(names))
"""


def test_every_parser_is_registered() -> None:
    done = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=True)
    tool, reasoning = map(set, json.loads(done.stdout.splitlines()[-1]))
    assert {row.tool for row in (*FAMILIES, UNKNOWN) if row.tool} - tool == set()
    assert {row.reasoning for row in (*FAMILIES, UNKNOWN) if row.reasoning} - reasoning == set()
