"""Export of graded episodes as training data (``t2t export``), and loss masks for its rows (:func:`mask`).

In: finished runs and :class:`Options`. Out: a new folder with one file per split, and a dataset card.
Must not know: how episodes are made or graded, tau2, Ray. Rows depend on the runs and the options alone; what shares a
customer, a record or a trajectory is never split.
Read ``exporting.py`` first, then ``selection.py`` (which episodes, and why others are left out), ``formats.py`` (which
columns) and ``card.py``; ``audit.py`` reads the figures of an audit for the card.
"""

from .exporting import Exported, Options, export
from .masks import mask
from .messages import conversation
from .selection import Filters

__all__ = ["Exported", "Filters", "Options", "conversation", "export", "mask"]
