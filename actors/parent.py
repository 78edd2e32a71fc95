"""An actor's process ends with the raylet that started it."""

from __future__ import annotations

import os
import threading
import time

#: Seconds between two looks at who the parent is.
_LOOK_S = 1.0


def end_with_parent() -> None:
    """End this process, from now on, as soon as its parent is gone: a worker whose raylet was killed.

    Ray is to see to that, but does not while the dead raylet is still in the process table, that is until whoever
    started it asks for its exit code. Meanwhile its workers hold their memory, and an engine its GPUs.
    """
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=look, name="end-with-parent", daemon=True).start()
