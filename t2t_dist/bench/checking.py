"""Check of a benchmark (``t2t bench verify``): its files, the proofs of its tasks, what its splits have in common."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from t2t_dist.core.identity import code_version
from t2t_dist.environments.splits import SPLITS
from t2t_dist.pipeline.contamination import overlaps
from t2t_dist.pipeline.recheck import ResultChange, damaged_tables, reverify
from t2t_dist.storage.source_run import Source

from .manifest import BadFile, BenchManifest, differing, read_bench
from .plan import Part


@dataclass
class Checked:
    """The result: ``bad`` files, tasks whose proof or difficulty ``changed``, by run, and what two splits ``share``."""

    manifest: BenchManifest
    bad: list[BadFile] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    changed: list[tuple[str, ResultChange]] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.bad or self.changed or self.shared) and self.verdicts.total() == self.manifest.total

    @property
    def other_code(self) -> bool:
        """Whether this code is not the one that made it."""
        return self.manifest.code != code_version()


def check(folder: str) -> Checked:
    """Check every file, prove every task again, and look for customers that two splits have in common.

    Where a file is not what was written, nothing is proved: it would not be of this benchmark.

    Raises:
        InputError: no benchmark, or a domain that can't be loaded. DamagedRun: its manifest is not what was written.
    """
    found = Checked(read_bench(folder))
    found.bad = differing(Path(folder), found.manifest)
    if found.bad:
        return found
    for domain in found.manifest.domains:
        sources = [Source(str(Path(folder) / "runs" / Part(domain, split).name)) for split in SPLITS]
        for source in sources:
            name = Path(source.path).name
            found.bad += [BadFile(f"runs/{name}/{table}", "its rows are others") for table in damaged_tables(source)]
            verdicts, changed = reverify(source)
            found.verdicts += verdicts
            found.changed += [(name, change) for change in changed]
        for one, other in combinations(sources, 2):
            (overlap,) = overlaps(one, [other])
            found.shared += [f"{Path(one.path).name}, {Path(other.path).name}: {name}" for name in overlap.entities]
    return found
