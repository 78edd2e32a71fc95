"""What README shows as output: made anew by the commands it names, compared by a test, rewritten by ``make readme``.

Only the seconds of a run are left out of the comparison.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.runs import t2t

README = ROOT / "README.md"
RUN = "runs/quickstart"
#: A block of README is known by what it holds; the command makes it anew. ``make generate`` is the first one.
GENERATE = ("generate", "--domain", "retail", "--trajectories", "200", "--seed", "7", "--out", RUN)
SHOW = ("show", RUN, "--intent", "ambiguous", "-n", "1")


def shown(text: str) -> tuple[str, str]:
    """The two blocks of README: how ``make generate`` ends, and one of its tasks with the dialogue on it."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.S | re.M)
    (summary,) = [block for block in blocks if "verified tasks -> " in block]
    (dialogue,) = [block for block in blocks if "╭─ ambiguous" in block]
    return summary, dialogue


def made(folder: Path) -> tuple[str, str]:
    """The same two, as the commands print them now."""
    (folder / "runs").mkdir()
    generated, dialogue = t2t(*GENERATE, cwd=folder, COLUMNS="120"), t2t(*SHOW, cwd=folder, COLUMNS="120")
    assert generated.returncode == dialogue.returncode == 0, generated.stderr + dialogue.stderr
    summary = generated.stderr + generated.stdout
    return _tidy(summary[summary.rindex("\n200 trajectories") :]), _tidy(dialogue.stdout)


def _tidy(printed: str) -> str:
    return "\n".join(map(str.rstrip, printed.splitlines())).strip("\n") + "\n"


def without_seconds(block: str) -> str:
    return re.sub(r"in [\d.]+ s$", "in ... s", block, flags=re.M)


def main() -> None:
    text = README.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for old, new in zip(shown(text), made(Path(folder)), strict=True):
            if without_seconds(old) != without_seconds(new):
                text = text.replace(old, new)
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
