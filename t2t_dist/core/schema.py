"""The objects of the method: trajectory, task (two sides and a certificate), turn, episode, failure.

The rows of a dataset are these objects; ``storage/rows.py`` converts them to Arrow and back. Values whose shape the
domain decides (arguments, results, records) are stored as JSON text, marked :data:`Json`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

#: The intents, in the order in which they are listed everywhere. Each is a module of ``synthesis/intents``.
Intent = Literal["general", "ambiguous", "changing", "infeasible"]
INTENTS: tuple[Intent, ...] = get_args(Intent)


def combination_of(intents: Collection[str]) -> str | None:
    """How a task of several intents is called, whichever of them is its own; ``None`` for a task of one."""
    return " + ".join(intent for intent in INTENTS if intent in intents) if len(intents) > 1 else None


#: Tokens of tau2 with which the user ends a conversation.
STOP, TRANSFER, OUT_OF_SCOPE = "###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###"

#: Marks a field that is stored as JSON text.
AS_JSON = "json"
Json = Annotated[Any, AS_JSON]
Arguments = Annotated[dict[str, Any], AS_JSON]


#: The tool faults of an episode: ``{tool: fault}``; ``None`` if there were none.
Faults = Annotated[dict[str, str] | None, AS_JSON]


class StoredObject(BaseModel):
    """Base of all stored objects. Unknown fields are an error, so that a row of another layout is never accepted."""

    model_config = ConfigDict(extra="forbid")


# -- trajectory ------------------------------------------------------------------------------------------------------
class Step(StoredObject):
    """One executed call. ``rules`` are the policy rules relied on (writes); ``digest`` is the world's after the call.

    ``requestor`` is ``user`` for a call that the customer makes on their own device, ``None`` for the agent's.
    """

    tool: str
    kind: str
    arguments: Arguments
    result: str
    error: bool = False
    changed: bool = False
    rules: list[int] = []
    thought: str | None = None
    digest: str
    requestor: str | None = None


class Trajectory(StoredObject):
    """One exploration. ``verdict`` is ``kept`` or a rejection code; ``raw`` keeps a model's unusable answer."""

    trajectory_id: str
    index: int
    domain: str
    customer: str
    explorer: str
    seed: int
    tools: list[str] = []
    initial: str
    steps: list[Step] = []
    verdict: str = "kept"
    raw: str | None = None


# -- task: the customer's side -----------------------------------------------------------------------------------------
class Fact(StoredObject):
    """Something the customer knows.

    ``says`` are the strings that a text must contain to state it. ``stated`` facts are in the request from the start;
    the others are given when asked for (recognised by ``cues``), with the sentence ``answer``. What is ``described`` is
    said by what it is ("my latest order"), and not by its value, which the customer has not at hand.
    """

    slot: str
    label: str
    text: str
    says: list[str]
    answer: str
    cues: list[str] = []
    stated: bool = True
    described: bool | None = None


class Otherwise(StoredObject):
    """What the customer wants in place of a goal whose condition does not hold, or that is not possible: then
    ``clause`` is what says so ("that can't be done")."""

    request: str
    facts: list[Fact] = []
    clause: str | None = None


class Second(StoredObject):
    """Another errand that belongs to a goal, in a sentence of its own."""

    request: str
    facts: list[Fact] = []


class Goal(StoredObject):
    """One thing the customer wants. ``questions`` are asked together with it.

    ``condition``: the clause that says when they want it ("I get more than $50 back"); else they want ``otherwise``, or
    leave it. ``first``: what may be done before it, where it is not possible at once, or is wanted as well and possible
    only before it. ``rather``: an errand of which and this one only one is wanted, ``whichever`` ("costs me less").
    """

    request: str
    facts: list[Fact] = []
    questions: list[str] = []
    condition: str | None = None
    asks: bool | None = Field(None, description="whether it is a question about their records, and nothing else")
    otherwise: Otherwise | None = None
    first: Second | None = None
    rather: Second | None = None
    whichever: str | None = None


class Change(StoredObject):
    """A change of mind about ``goal``: at ``trigger`` the customer says ``request``, which then replaces the goal.

    ``slip``: they have not changed their mind, but said something wrong before. ``part``: they want more of the same,
    and say only what is ``added``, or a part of what they wanted is ``taken back``, and they say what stays. ``facts``
    are all of what they want from then on.
    """

    goal: int
    trigger: str
    request: str
    facts: list[Fact] = []
    slip: bool = False
    part: Literal["added", "taken back"] | None = None


class Claim(StoredObject):
    """Something that the customer says so that ``goal``, which is forbidden, is done all the same. It is not so, or it
    changes nothing. ``at_once``: they say it with the request, else to the first refusal."""

    goal: int
    text: str
    at_once: bool


class Mistake(StoredObject):
    """A fact about who they are that the customer gets wrong at first, and corrects when asked again.

    ``text``: the wrong value, which nobody has; ``answer``: the sentence that gives it.
    """

    slot: str
    text: str
    answer: str


class Miscount(StoredObject):
    """A number that the customer has wrong: ``goal`` describes ``said`` records in ``slot``; there are more, or fewer.

    ``answer``: what they say once they hear how many there are: they mean all of them.
    """

    goal: int
    slot: str
    said: int
    answer: str


class UserSide(StoredObject):
    """The customer's side: all that a simulated user may know. The only side that is ever rendered into a prompt."""

    name: str
    persona: str
    reason_for_call: str
    known_info: str
    unknown_info: str
    task_instructions: str
    identity: list[Fact]
    goals: list[Goal]
    change: Change | None = None
    patience: int = Field(1, description="how often the customer insists before giving in to a refusal")
    pleads: bool = Field(True, description="whether they then ask for an exception; if not, they doubt that it is so")
    at_hand: Annotated[dict[str, Any] | None, AS_JSON] = Field(
        None, description="what the customer's own tools can be used on, by argument name"
    )
    claim: Claim | None = None
    mistake: Mistake | None = None
    miscount: Miscount | None = None
    second_change: Change | None = Field(None, description="what they change to once they have changed their mind")

    @property
    def changes(self) -> list[Change]:
        """The customer's changes of mind, in order."""
        return [change for change in (self.change, self.second_change) if change is not None]


# -- task: the grader's side -------------------------------------------------------------------------------------------
class GoldCall(StoredObject):
    """One call of the gold. ``goal`` is the goal it serves, -1 for identifying the customer.

    ``requestor`` is ``user`` for a call that the customer makes on their own device, ``None`` for the agent's.
    """

    name: str
    kind: str
    arguments: Arguments
    goal: int = -1
    result: str = ""
    requestor: str | None = None


class Errand(StoredObject):
    """A goal that is a workflow of the domain: the gold calls of this goal are its steps."""

    goal: int
    name: str
    arguments: Arguments


class CallPattern(StoredObject):
    """A pattern of calls: this tool with these arguments equal; ``None`` matches any call of the tool."""

    name: str
    arguments: Annotated[dict[str, Any] | None, AS_JSON] = None


class RecordChange(StoredObject):
    """One record that the gold changes; ``before`` or ``after`` is ``None`` where it does not exist."""

    table: str
    key: str
    before: Json = None
    after: Json = None


class GraderSide(StoredObject):
    """The grader's side: what the grader checks. Never rendered into a prompt."""

    gold: list[GoldCall]
    initial: str
    final: str
    allowed_diff: list[RecordChange] = []
    forbidden: list[CallPattern] = []
    required: list[CallPattern] = []
    communicate: list[str] = []
    basis: list[str] = ["db"]
    refused_goal: int | None = None
    rule: int | None = None
    handling: str | None = None
    errands: list[Errand] | None = None
    requests: Annotated[dict[str, Any] | None, AS_JSON] = Field(
        None,
        description="by goal: what the customer means, as an expression, where not all is said by its value",
    )


# -- task: the certificate ---------------------------------------------------------------------------------------------
class Candidate(StoredObject):
    """A call that satisfies the opening request, and the final state it leads to."""

    arguments: Arguments
    final: str
    after_clarification: bool


class Twin(StoredObject):
    """A world in which the same words mean something else: a few of its records differ, and so does the gold.

    ``goal``, ``slot``: whose meaning changes; ``value``: what it is there; ``final``: the state there after the goal's
    call with this value.
    """

    goal: int
    slot: str
    records: list[RecordChange]
    value: Json
    final: str


class FalseClaim(StoredObject):
    """Why a claim is false: a field of a record holds ``held``, where it says ``claimed``. ``records``: the world in
    which it is true, and what was asked for allowed; ``final``: the state there once that is done.

    Without a ``kind``, the claim is that somebody has allowed it, which no rule provides for.
    """

    kind: str | None = None
    field: str | None = None
    claimed: Json = None
    held: Json = None
    records: list[RecordChange] = []
    final: str | None = None


class Injection(StoredObject):
    """An instruction to the agent in a record of the task's world. ``call``: what it asks for; ``rule``: what forbids
    that; ``final``: the state after it and the gold, ``refused`` where the gold is not possible then."""

    text: str
    call: GoldCall
    rule: int
    final: str


class Part(StoredObject):
    """An intent that a task combines with its own, and the goal that makes it."""

    intent: Intent
    goal: int


class Certificate(StoredObject):
    """The machine-checked evidence that a task is what its intents say. Fields of other intents are empty: each field
    but ``goal`` belongs to one intent, so that one certificate holds the evidence for all that a task combines."""

    intent: Intent
    replays: list[str] = Field([], description="final states of two replays of the gold: equal")
    without: list[str] = Field([], description="final state with each single write left out: each differs")
    goal: int | None = Field(None, description="the goal that makes the intent")
    withheld: list[str] = []
    candidates: list[Candidate] = []
    trigger: str | None = None
    first_call: GoldCall | None = Field(None, description="changing: A, what the customer wanted first")
    first_final: str | None = Field(None, description="changing: the final state of A")
    forbidden_call: GoldCall | None = None
    rule: int | None = None
    clause: str | None = None
    enforced: str | None = None
    reason: str | None = None
    twins: list[Twin] | None = Field(None, description="for each value that is described: a world where it is another")
    claim: FalseClaim | None = Field(None, description="why what the customer claims does not hold")
    not_found: list[GoldCall] | None = Field(
        None, description="the ways in with what the customer gets wrong about themselves: none finds anybody"
    )
    injection: Injection | None = Field(None, description="what a text in the task's world tells the agent to do")
    second_call: GoldCall | None = Field(
        None, description="changing: B, what the customer wanted second, where they change their mind twice"
    )
    second_final: str | None = Field(None, description="changing: the final state of B")
    also: list[Part] | None = Field(None, description="the intents that the task combines with its own")

    @property
    def given_up(self) -> list[GoldCall]:
        """What the customer wanted before the gold, in order: A, and B where they change their mind twice."""
        return [call for call in (self.first_call, self.second_call) if call is not None]

    @property
    def parts(self) -> dict[Intent, int | None]:
        """The intents of the task, its own first, each with the goal that makes it."""
        return {self.intent: self.goal, **{part.intent: part.goal for part in self.also or ()}}


class Vote(StoredObject):
    """One judge's marks, 1-10."""

    judge: str
    realism: float
    necessity: float
    correctness: float
    comment: str = ""

    @property
    def mean(self) -> float:
        return (self.realism + self.necessity + self.correctness) / 3


class Difficulty(StoredObject):
    """How hard a task is, by its structure.

    ``level``: from 1 to 5, what the other numbers come to; ``look_ups``: calls of the gold that read; ``depth``: of the
    deepest expression (1: all is named); ``candidates``: records from which the described ones have to be told;
    ``writes``: calls of the gold that change something; ``turns``: messages that the customer needs at least;
    ``conditions``: conditions, choices and sets in the requests.
    """

    level: int
    look_ups: int
    depth: int
    candidates: int
    writes: int
    turns: int
    conditions: int


class Task(StoredObject):
    """A task. ``verdict`` is ``verified`` or ``rejected``; ``reasons`` are rejection codes, ``detail`` explains them.

    ``raw`` is the text it was made from, for an imported task or a model's unusable answer.
    """

    task_id: str
    trajectory_id: str
    index: int
    intent: Intent
    domain: str
    customer: str
    writer: str
    seed: int
    user: UserSide
    grader: GraderSide
    certificate: Certificate | None = None
    votes: list[Vote] = []
    verdict: str = "rejected"
    reasons: list[str] = []
    detail: str = ""
    raw: str | None = None
    world: list[RecordChange] | None = Field(
        None, description="the records in which the task's world differs from the domain's database"
    )
    twin_of: str | None = Field(None, description="the task that this is the twin of: the same words, another world")
    difficulty: Difficulty | None = None

    @property
    def level(self) -> int | None:
        """Its structural level, 1 to 5; ``None`` where it was not measured."""
        return None if self.difficulty is None else self.difficulty.level

    @property
    def intents(self) -> tuple[Intent, ...]:
        """Its own intent, and those that it combines with it."""
        also = (self.certificate.also if self.certificate is not None else None) or ()
        return (self.intent, *(part.intent for part in also))

    @property
    def combination(self) -> str | None:
        """The intents of a task of several, as in ``ambiguous + changing``; ``None`` for a task of one."""
        return combination_of(self.intents)


# -- episode: plain classes, because every message makes some ----------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call as a model wrote it. ``arguments`` is its raw text, JSON or not: the tool executor parses it."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class Turn:
    """One message. ``role`` is assistant, user or tool; ``seat`` whose message it is. Times in seconds.

    The last four are set only where tokens are captured: ids of the prompt as the engine saw it and of the answer, the
    answer's log probabilities, and the position at which the prompt stops extending the previous turn's prompt and
    answer (``None`` if it extends all of them).
    """

    seat: str
    role: str
    content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str | None = None
    error: bool = False
    model: str = ""
    engine: str = ""
    sampling: str = "{}"
    finish_reason: str | None = None
    t_queue: float = 0.0
    t_model: float = 0.0
    t_tool: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    prefix_break: int | None = None


@dataclass(slots=True)
class Outcome:
    """The result of grading. ``parts`` holds every part that could be decided; ``reward`` is the product of those in
    the basis, with 0 for one that could not. ``reward_high`` is the same with 1 for it: the two differ where nobody can
    say whether the episode passed."""

    reward: float
    reward_high: float
    parts: dict[str, float]
    process: dict[str, bool]
    detail: dict[str, str]
    final: str

    @property
    def decided(self) -> bool:
        """Whether the parts that are known say whether the episode passed."""
        return self.reward == self.reward_high

    @property
    def reward_text(self) -> str:
        """The reward for a person: ``reward 1``, or ``reward 0 to 1`` where it is not decided."""
        return f"reward {self.reward:g}" + ("" if self.decided else f" to {self.reward_high:g}")


@dataclass(slots=True)
class Episode:
    """One graded conversation. ``difficulty``: the structural level of its task, where that has one; ``combination``:
    the intents of its task, where those are several; ``kinds``: the kinds of request that its task has
    (``t2t_dist.synthesis.kinds_of_request``)."""

    episode_id: str
    run_id: str
    stage: str
    domain: str
    task_id: str
    trajectory_id: str
    intent: str
    trial: int
    attempt: int
    seed: int
    agent: str
    user: str
    termination: str
    turns: list[Turn]
    outcome: Outcome
    flags: list[str]
    started: float
    duration: float
    faults: Faults = None
    difficulty: int | None = None
    combination: str | None = None
    kinds: list[str] | None = None


@dataclass(slots=True)
class Failure:
    """An episode, a stage of a trajectory, or a work item that ended without a result. Never has a reward."""

    episode_id: str
    run_id: str
    stage: str
    domain: str
    task_id: str
    intent: str
    trial: int
    attempts: int
    agent: str
    user: str
    failure: str
    message: str
    turns: list[Turn]
    started: float
    duration: float
    faults: Faults = None
    difficulty: int | None = None
    combination: str | None = None
    kinds: list[str] | None = None
