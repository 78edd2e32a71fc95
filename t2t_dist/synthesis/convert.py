"""Convert: turn a trajectory into tasks, one per intent, that share its ``trajectory_id``.

The structure is decided in code (``intents``), the words by the writer; then the words are checked, and the certificate
is made from the finished task alone, just as ``verify`` will make it again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import seed_of, task_id
from t2t_dist.core.offload import offload
from t2t_dist.core.schema import GraderSide, Intent, Task, Trajectory, UserSide
from t2t_dist.core.task_domain import domain_of
from t2t_dist.environments.base import Domain

from .coherence import is_coherent
from .difficulty import MOST_STEPS, difficulty_of, steps_of
from .harder import combined, made_harder
from .intents import certify, make
from .intents.rejection import Rejection
from .intents.structure import Structure
from .levels import LEVELS
from .pushing.push import pushed, with_proofs, without_note
from .requests.check import is_free
from .requests.free_words import NotCarried
from .requests.read_back import check_free_words
from .wording_check import check_words
from .writer_template import skeleton

#: How often the structure of a hard task is drawn until all that is asked for goes together.
_DRAWS = 4


class BadWords(Exception):
    """A writer's answer can't be used; ``raw`` is the answer."""

    def __init__(self, why: str, raw: str) -> None:
        super().__init__(why)
        self.raw = raw


class Writer(Protocol):
    """Puts a task's structure into words. The template writer is not one: its words are those of the skeleton."""

    name: str

    async def write(
        self,
        domain: Domain,
        intents: Sequence[Intent],
        user: UserSide,
        seed: int,
        requests: Mapping[str, Any] | None = None,
    ) -> UserSide:
        """The same customer's side in other words. ``intents``: of the task, its own first; ``requests``: by goal, what
        is meant by what is described. Raises BadWords, EpisodeFailure."""
        ...


async def convert_one(
    domain: Domain,
    trajectory: Trajectory,
    intent: Intent,
    writer: Writer | None,
    typos: float = 0.0,
    difficulty: int = 1,
) -> Task:
    """One task, certified, or rejected with the reason.

    ``writer`` is ``None`` for template words, in whose requests ``typos`` of the words are mistyped. ``difficulty``:
    from 1, where customers name what they want, to 5, where they describe all that can be described.
    """
    seed = seed_of(trajectory.trajectory_id, intent, "convert")
    rng = random.Random(seed)
    task = Task(
        task_id=task_id(trajectory.trajectory_id, intent),
        trajectory_id=trajectory.trajectory_id,
        index=trajectory.index,
        intent=intent,
        domain=trajectory.domain,
        customer=trajectory.customer,
        writer=writer.name if writer else "template",
        seed=seed,
        user=NOBODY,
        grader=GraderSide(gold=[], initial=trajectory.initial, final=trajectory.initial),
    )
    if difficulty > 1:
        structure = await offload(domain, _hard_structure, domain, trajectory, intent, difficulty, rng)
    else:
        structure = await offload(domain, make, intent, domain, trajectory, rng)
    if isinstance(structure, Rejection):
        return reject(task, structure.code, structure.detail)
    if difficulty > 1:
        await offload(domain, pushed, domain, trajectory.customer, structure, difficulty, rng)
    _fill(task, structure, skeleton(domain, structure, trajectory.customer, rng, typos))
    if writer is not None:
        try:
            task.user = await writer.write(domain, task.intents, task.user, seed, task.grader.requests)
        except BadWords as bad:
            task.raw = bad.raw
            return reject(task, "bad_words", str(bad))
    return await offload(domain, certified, domain, task)


def _hard_structure(
    domain: Domain, trajectory: Trajectory, intent: Intent, difficulty: int, rng: random.Random
) -> Structure | Rejection:
    """A task's structure at a difficulty above 1, of which all goes together; drawn again where it does not, or where
    what is described is named elsewhere."""
    # Not drawn again, or what is easy to make would be made more often.
    only_asks = rng.random() < LEVELS[difficulty].only_questions
    why = Rejection("incoherent", "nobody would ask for all of this in one conversation")
    for _ in range(_DRAWS):
        structure: Structure | Rejection | None = combined(domain, trajectory, intent, difficulty, rng)
        if structure is None:
            structure = make(intent, domain, trajectory, rng)
            if isinstance(structure, Rejection):
                return structure
        structure = made_harder(domain, trajectory, intent, structure, difficulty, only_asks, rng)
        if isinstance(structure, Rejection):
            why = structure
        elif is_coherent(domain, structure, trajectory.customer):
            return structure
    return why


def _fill(task: Task, structure: Structure, user: UserSide) -> None:
    task.user, task.grader, task.certificate = user, structure.grader, structure.certificate
    task.world = structure.world or None


def certified(domain: Domain, task: Task) -> Task:
    """The task with a certificate and a difficulty made from the task and the domain alone, or rejected with what does
    not hold."""
    if (wrong := check_words(task.user, is_free(task))) is not None:
        return reject(task, *wrong)
    try:
        domain = domain_of(domain, task)
    except InputError as error:
        return reject(task, "world_differs", str(error))
    try:
        certificate = certify(domain, without_note(task))
        if not isinstance(certificate, Rejection):
            certificate = with_proofs(domain, task, certificate)
        if not isinstance(certificate, Rejection) and is_free(task):
            check_free_words(domain, task, certificate)
    except NotCarried as differ:
        return reject(task, differ.code, differ.detail)
    except Exception as error:
        if task.world:
            # Tools and rules may rely on what these records no longer hold: then it is no world.
            return reject(task, "world_differs", f"in the task's world, {type(error).__name__}: {error}")
        if task.grader.requests or task.user.claim:
            # What a stored request or claim gives to tools and words may be of no type that they take.
            return reject(task, "meaning_differs", f"{type(error).__name__}: {error}")
        raise
    if isinstance(certificate, Rejection):
        return reject(task, certificate.code, certificate.detail)
    if (steps := steps_of(task)) > MOST_STEPS:
        return reject(task, "too_many_steps", f"it takes about {steps} steps, and {MOST_STEPS} at most leave room")
    task.certificate, task.verdict, task.reasons, task.detail = certificate, "verified", [], ""
    task.difficulty = difficulty_of(domain, task)
    return task


def reject(task: Task, code: str, detail: str = "") -> Task:
    """Mark a task rejected; it is stored all the same."""
    task.verdict, task.reasons, task.detail = "rejected", [code], detail
    return task


#: The customer's side of a task that could not be made.
NOBODY = UserSide(
    name="",
    persona="",
    reason_for_call="",
    known_info="",
    unknown_info="",
    task_instructions="",
    identity=[],
    goals=[],
)
