"""Gates of a run for CI (``--fail-under``, ``--max-drop``), and the files it writes for CI."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from t2t_dist.config.settings import Config
from t2t_dist.core.errors import InputError
from t2t_dist.environments.files import check_writable, write_file
from t2t_dist.evaluation.ci_files import junit, markdown
from t2t_dist.evaluation.compare import Compared, with_baseline
from t2t_dist.evaluation.results_table import ResultsTable
from t2t_dist.evaluation.thresholds import ThresholdResult, drops, parse_threshold
from t2t_dist.storage.partial_run import PartialRun

#: Failed episodes whose causes are examined when an evaluation ends; ``t2t report`` examines more.
CAUSES_READ = 400


class Checks(NamedTuple):
    """The options of ``t2t evaluate`` that judge a run."""

    baseline: str | None = None
    max_drop: float | None = None
    junit: str | None = None
    markdown: str | None = None


class Judged:
    """The gates of a run, parsed before it begins: a mistake in them costs no run.

    Raises:
        InputError: a gate that can't be understood, a baseline that can't be read, a file that can't be written.
    """

    def __init__(self, config: Config, gates: list[str], checks: Checks | None) -> None:
        self.checks = checks or Checks()
        self.gates = [parse_threshold(text, config.agents, config.sure_trials) for text in gates]
        self.changes: list[Compared] = []
        self.before: ResultsTable | None = None
        baseline, drop = self.checks.baseline, self.checks.max_drop
        if drop is not None and baseline is None:
            raise InputError("--max-drop needs a run to compare with: add --baseline RUN")
        if drop is not None and not 0 <= drop <= 1:
            raise InputError(f"--max-drop {drop:g}: a drop of pass^1 is between 0 and 1; write 0.05 for five points")
        if baseline is not None:
            reading = PartialRun(baseline)
            self.before = ResultsTable.read(reading.batches)
            if reading.notes:
                raise InputError(f"--baseline {baseline} is not a whole run: {reading.notes[0]}")
            if not self.before.episodes:
                raise InputError(f"--baseline {baseline} has no graded episode; give an earlier evaluation")
        for option, path in (("--junit", self.checks.junit), ("--markdown", self.checks.markdown)):
            if path is None:
                continue
            folder = os.path.dirname(os.path.realpath(path))
            if not os.path.isdir(folder):
                raise InputError(f"{option} {path}: there is no directory {folder}; create it first")
            try:
                check_writable(path)
            except OSError as error:
                raise InputError(f"{option} {path}: {error.strerror or error}; give another file") from None

    @property
    def texts(self) -> list[str]:
        return [gate.text for gate in self.gates]

    def __bool__(self) -> bool:
        return bool(self.gates) or self.checks.max_drop is not None

    def verdicts(self, results: ResultsTable, summary: dict[str, Any]) -> list[ThresholdResult]:
        """Judge a run that has ended; its comparison with the baseline is added to ``summary``."""
        judged = [verdict for gate in self.gates for verdict in gate.verdicts(results)]
        if self.before is not None:
            self.changes = with_baseline(results, self.before)
            summary["baseline"] = [change.plain() for change in self.changes]
            if self.checks.max_drop is not None:
                judged += drops(self.changes, self.checks.max_drop)
        return judged

    def write_files(self, results: ResultsTable, summary: dict[str, Any], verdicts: list[ThresholdResult]) -> None:
        """The files for CI. Raises InputError: they can't be written."""
        changes = summary.get("baseline", [])
        if self.checks.junit is not None:
            _write(self.checks.junit, junit(results, verdicts, summary["run_id"], summary["wall_s"]))
        if self.checks.markdown is not None:
            _write(self.checks.markdown, markdown(summary, verdicts, changes).encode("utf-8", "replace"))


def _write(path: str, data: bytes) -> None:
    try:
        write_file(path, data)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror or error}; give another file") from None
