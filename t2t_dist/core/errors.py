"""What can go wrong, by boundary: the person's input, an engine, a tool, the run itself.

Two families only. :class:`InputError` is the person's to mend: the command line prints its one line and exits 2.
:class:`EpisodeFailure` ends one attempt of one episode; it becomes a row under ``failures/`` and never a reward.
"""

from __future__ import annotations

import os
import traceback
from enum import StrEnum


class FailureClass(StrEnum):
    """Why an attempt produced no graded result."""

    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_TIMEOUT = "engine_timeout"
    ENGINE_BAD_RESPONSE = "engine_bad_response"
    TOOL_CRASH = "tool_crash"
    TOOL_TIMEOUT = "tool_timeout"
    USER_SIMULATOR_FAULT = "user_simulator_fault"
    WORKER_LOST = "worker_lost"
    DEADLINE = "deadline"
    POISONED = "poisoned"
    DEFECT = "defect"  # of our own code, or of a domain's outside of any tool
    CANCELLED = "cancelled"


#: An attempt that ended so may be tried again on a fresh world; the others would only fail the same way.
RETRYABLE = frozenset(
    {
        FailureClass.ENGINE_UNAVAILABLE,
        FailureClass.ENGINE_TIMEOUT,
        FailureClass.ENGINE_BAD_RESPONSE,
        FailureClass.TOOL_TIMEOUT,
        FailureClass.USER_SIMULATOR_FAULT,
        FailureClass.WORKER_LOST,
    }
)


class InputError(Exception):
    """The person's input can't be used. The message is one line: what, where, what to do."""


class StoreUnavailable(InputError):
    """The store of a run is full, or was out of reach for longer than is waited. Everything committed stays; once it is
    mended the same command goes on, so the command line exits 75 and not 2."""


class RunBusy(InputError):
    """Another live driver holds the run directory."""


class EpisodeFailure(Exception):
    """An attempt ended without a result; ``failure`` says how."""

    failure: FailureClass = FailureClass.TOOL_CRASH

    def __init__(self, message: str, failure: FailureClass | None = None) -> None:
        super().__init__(message)
        if failure is not None:
            self.failure = failure


class EngineError(EpisodeFailure):
    """A model endpoint did not give a usable answer, bounded retries included."""

    failure = FailureClass.ENGINE_UNAVAILABLE


class EngineUnavailable(EngineError):
    """Refused, reset, 429 or 5xx until the retries ran out."""

    failure = FailureClass.ENGINE_UNAVAILABLE


class EngineTimeout(EngineError):
    """No whole answer before the request's deadline."""

    failure = FailureClass.ENGINE_TIMEOUT


class EngineBadResponse(EngineError):
    """An answer that is not what the protocol says: not JSON, wrong schema, empty message, half a body."""

    failure = FailureClass.ENGINE_BAD_RESPONSE


class EngineRejected(EngineBadResponse):
    """A 4xx that no retry can mend (key refused, unknown model, malformed request)."""


class ContextExceeded(Exception):
    """The conversation no longer fits the model's context. Graded as a termination, not a failure."""


#: Frames that the line about a defect names.
_FRAMES = 4


def defect_line(error: Exception) -> str:
    """An exception that nobody expected, in a line: what it says, and where it came from, innermost first."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_FRAMES:])
    where = " < ".join(f"{frame.name} ({os.path.basename(frame.filename)}:{frame.lineno})" for frame in frames)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}, in {where}"
