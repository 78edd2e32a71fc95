"""Watch on the raylet that started an actor's process: the process ends with it."""

from __future__ import annotations

import os
import threading
import time

#: Seconds between two checks of the parent.
_CHECK_S = 1.0


def end_with_parent() -> None:
    """From now on, end this process as soon as its parent is gone: a worker whose raylet was killed.

    Ray should do that, but does not while the dead raylet is still in the process table, until its own parent has
    collected its exit code. Meanwhile its workers hold their memory, and an engine its GPUs.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
