"""With a real tau2 (tau2-bench 1.0.1): its customers' requests, as expressions, mean the golds of its tasks.

`T2T_TAU2_PYTHON` names the Python that has it, or it is installed here; else this file is left out, and the summary
says so.
"""

from __future__ import annotations

import json
import subprocess

from tests.conftest import TAU2_PYTHON
from tests.support.runs import environment


def test_requests_mean_what_tau2s_golds_do() -> None:
    assert TAU2_PYTHON is not None
    command = [TAU2_PYTHON, "-m", "tests.synthesis.requests.tau2.meanings"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])["domains"]
    counts = {name: (one["compared"], one["tasks"], one["differ"]) for name, one in found.items()}
    assert counts == {"retail": (111, 114, 0), "airline": (40, 50, 0)}
