"""Assignment of rows to splits: what shares a customer, a record or a trajectory stays in one split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from t2t_dist.core.identity import stable_hash
from t2t_dist.environments.splits import SPLITS


class Groups:
    """Union-find over names; names that were joined, directly or through others, form one group."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def join(self, names: Iterable[str]) -> None:
        """Put all of these names into one group."""
        first = None
        for name in names:
            root = self.find(name)
            if first is None:
                first = root
            elif root != first:
                # The smaller name becomes the root, so that the order of joins does not matter.
                first, below = min(first, root), max(first, root)
                self._above[below] = first

    def find(self, name: str) -> str:
        """The name that stands for a name's group."""
        self._above.setdefault(name, name)
        root = name
        while (above := self._above[root]) != root:
            root = above
        while (above := self._above[name]) != root:
            self._above[name], name = root, above
        return root


def assign_splits(sizes: Mapping[str, int], shares: Sequence[float], seed: int) -> dict[str, str]:
    """The split of each group: the largest group first, each to the split that lacks most rows.

    ``sizes`` are rows per group, ``shares`` one per split of SPLITS; they need not sum to 1. The seed orders groups of
    equal size. The result does not depend on the order of ``sizes``.
    """
    total, whole = sum(sizes.values()), sum(shares)
    wanted = {name: total * share / whole for name, share in zip(SPLITS, shares, strict=True) if share > 0}
    order = sorted(sizes, key=lambda group: (-sizes[group], stable_hash(seed, group)))
    found: dict[str, str] = {}
    for place, group in enumerate(order):
        empty = [name for name in wanted if name not in found.values()] if len(order) - place <= len(wanted) else []
        # The last groups go to splits that have none yet, so that of three groups each wanted split gets one.
        pool = empty if empty and len(order) - place <= len(empty) else list(wanted)
        split = max(pool, key=lambda name: wanted[name])
        wanted[split] -= sizes[group]
        found[group] = split
    return found


def shares_of(text: str) -> tuple[float, ...]:
    """``0.9/0.05/0.05`` as three shares; omitted ones are 0. Raises ValueError."""
    shares = [float(part) for part in text.split("/")]
    if not 1 <= len(shares) <= len(SPLITS) or min(shares) < 0 or not 0 < sum(shares) < float("inf"):
        raise ValueError(text)
    return (*shares, *(0.0 for _ in SPLITS[len(shares) :]))
