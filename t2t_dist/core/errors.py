"""Everything that can go wrong, in one tree, with one term for each; and the exceptions that several rooms share::

  WHAT GOES WRONG                  DECIDED OR RAISED BY           STORED IN            HANDLED BY
  ----------------------------------------------------------------------------------------------------------------------
  a command can't do what it is asked to
  +- InputError                    whatever reads the input       -                    cli/common.py: one line, exit 2
  |  +- RunBusy                    storage/run_lock.py, ledger.py -                    the same
  |  +- DamagedRun                 storage/                       -                    the same; exit 1 where a command
  |                                                                                    checks the run (cli/runs.py)
  |  +- EngineFailed: start error  actors/start_errors.py         the engine's log     cluster/engines/fleet.py
  |  +- StoreUnavailable           storage/objects/               -                    cli/common.py: exit 75, resumable
  a run has no result at all       storage/have_results.py        -                    cli/main.py: exit 3; if resumed,
                                                                                       what failed is tried again
  an agent has no result           evaluation/problems.py         -                    cli/main.py: exit 3
  a model call has no answer
  +- EngineError: tree below       models/                        -                    models/ retries, then the attempt
  +- ContextExceeded               models/refusals.py             -                    the caller: termination (agent),
                                                                                       failure (user) or rejection
  a tool call does not work
  +- ToolError: a refused call     environments/                  turns.error          the caller reads it and goes on
  +- tool fault: made to fail      simulation/tool_fault_plan.py  episodes.faults      grading/expected.py
  +- ToolTimeout, ToolCrash        environments/tools.py          -                    the caller: an EpisodeFailure
  |  +- ToolLost                   environments/adapters/         -                    the same, repeated
  an attempt has no result
  +- EpisodeFailure: failure class (each has its FailureClass)    failures.failure     pipeline/: repeated if RETRYABLE
  |  +- EngineError
  |  |  +- EngineUnavailable       models/openai.py, pool.py
  |  |  +- EngineTimeout           models/openai.py
  |  |  +- EngineBadResponse       models/, simulation/
  |  |     +- EngineRejected       models/openai.py                                    never repeated
  |  +- RolloutFailed              simulation/conversation.py     failures.turns       the same
  +- DEFECT, POISONED: given up    pipeline/workloads.py          failures.failure     never repeated
  a conversation ends, and is graded
  +- termination                   simulation/conversation.py     episodes.termination grading/parts.py: part ended
  +- user fault                    simulation/user_faults.py      episodes.flags       export filters, report, viewer
  +- grade part of 0               grading/parts.py               episodes.parts       grading/grade.py: the reward
  +- process check not kept        grading/process_checks.py      episodes.process     grading/parts.py: part process
  +- failure cause                 grading/diagnose.py: CODES     - (on demand)        report, viewer
  generated data can't be used
  +- trajectory rejection code     synthesis/explore*.py          trajectories.verdict pipeline/: no tasks from it
  +- task rejection code           synthesis/, tau2/from_tau2.py  tasks.reasons        pipeline/: no rollouts

A path names the file that decides; a name in capitals is a FailureClass that has no exception. An exception of the
lowest room (``UnknownDomain``, an adapter's ``ValueError``) becomes an InputError in ``config/domain.py``. Any other
exception is a defect: ``actors/rollout.py`` gives up the work item, and :func:`defect_line` words it.
"""

from __future__ import annotations

import os
import sysconfig
import traceback
from enum import StrEnum

from .printing import masked, one_line


class FailureClass(StrEnum):
    """Why an attempt produced no graded result."""

    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_TIMEOUT = "engine_timeout"
    ENGINE_BAD_RESPONSE = "engine_bad_response"
    TOOL_CRASH = "tool_crash"
    TOOL_TIMEOUT = "tool_timeout"
    USER_SIMULATOR_FAULT = "user_simulator_fault"
    DEADLINE = "deadline"
    POISONED = "poisoned"
    DEFECT = "defect"  # a bug in this project, or in a domain outside of its tools
    CANCELLED = "cancelled"  # a model call that nobody waits for any more; in metrics only


#: Failures after which an attempt is repeated on a fresh world; any other would only occur again.
RETRYABLE = frozenset(
    {
        FailureClass.ENGINE_UNAVAILABLE,
        FailureClass.ENGINE_TIMEOUT,
        FailureClass.ENGINE_BAD_RESPONSE,
        FailureClass.TOOL_TIMEOUT,
        FailureClass.USER_SIMULATOR_FAULT,
    }
)


class InputError(Exception):
    """Input that can't be used. The message is one line: what, where, what to do. Whatever it quotes, the line is
    printable, of at most 2,000 characters, and holds no key."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class StoreUnavailable(InputError):
    """The store of a run is full, or was unreachable for longer than the wait allows. What is committed stays, and the
    same command resumes the run later, so the command line exits 75 instead of 2."""


class DamagedRun(InputError):
    """What is stored of a run is missing, or not what was written. A command that needs it exits 2, as for any input
    that can't be used; one that checks the run has found what it looks for, and exits 1."""


class RunBusy(InputError):
    """Another live driver holds the run directory."""


class EpisodeFailure(Exception):
    """The end of an attempt without a result; ``failure`` is its class."""

    failure: FailureClass = FailureClass.TOOL_CRASH

    def __init__(self, message: str, failure: FailureClass | None = None) -> None:
        super().__init__(masked(message))
        if failure is not None:
            self.failure = failure


class EngineError(EpisodeFailure):
    """A model endpoint that gave no usable answer, bounded retries included."""

    failure = FailureClass.ENGINE_UNAVAILABLE


class EngineUnavailable(EngineError):
    """Connection refused or reset, 429 or 5xx (or an error in a 200 that means one), until the retries ran out."""

    failure = FailureClass.ENGINE_UNAVAILABLE


class EngineTimeout(EngineError):
    """No complete answer before the request's deadline."""

    failure = FailureClass.ENGINE_TIMEOUT


class EngineBadResponse(EngineError):
    """An answer that breaks the protocol (not JSON, wrong schema, empty, half a body, too large) or was broken off."""

    failure = FailureClass.ENGINE_BAD_RESPONSE


class EngineRejected(EngineBadResponse):
    """A 4xx that no retry can fix (key refused, unknown model, malformed request)."""


class ContextExceeded(Exception):
    """The conversation no longer fits the model's context. For an agent it is a termination, which is graded; for a
    simulated user it is a failure."""


_LIBRARIES = (*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")), "<")
#: This project's own code. Its domains lie in folders of their own in ``environments``.
_PROJECT = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_ENVIRONMENTS = os.path.join(_PROJECT, "environments", "")


def place_in_domain(error: BaseException) -> str:
    """``file:line`` of an error: the innermost frame that is a domain's code, not what it calls; empty if none is."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_a_domains(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _is_a_domains(file: str) -> bool:
    if file.startswith(_ENVIRONMENTS):
        folder, inside, _ = file.removeprefix(_ENVIRONMENTS).partition(os.sep)
        return bool(inside) and folder != "adapters"
    return not file.startswith((*_LIBRARIES, _PROJECT))


#: Stack frames that a defect's line names.
_FRAMES = 4


def defect_line(error: Exception) -> str:
    """An unexpected exception in one line: its message, and where it was raised, innermost frame first."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_FRAMES:])
    where = " < ".join(f"{frame.name} ({os.path.basename(frame.filename)}:{frame.lineno})" for frame in frames)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}, in {where}"
