"""Benchmarks to hand around (``t2t bench``): fixed, versioned sets of verified tasks, by domain, split and level.

In: a :class:`Plan` (name, seed, size, domains) and finished ``generate`` runs, one per domain and split, which whoever
calls carries out. Out: a folder with the chosen tasks as runs, for Hugging Face and for tau2, a card, and a manifest
with the checksum of every file. Must not know: Ray, the cluster, the terminal. Equal plans, on equal code, give equal
files. Read ``making.py`` first, then ``choosing.py`` (which tasks) and ``checking.py`` (``t2t bench verify``).
"""

from .checking import Checked, check
from .making import Made, make
from .plan import Part, Plan

__all__ = ["Checked", "Made", "Part", "Plan", "check", "make"]
