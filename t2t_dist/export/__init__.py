"""Training-ready exports of runs: ``t2t export``, and what consumers of its rows need (:func:`mask`)."""

from .exporting import Exported, Options, export
from .masks import mask
from .messages import conversation
from .selection import Filters

__all__ = ["Exported", "Filters", "Options", "conversation", "export", "mask"]
