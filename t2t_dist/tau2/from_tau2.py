"""Import of one tau2 task: its row, and the certificate that its gold was replayed.

tau2 skips gold calls that raise an error. Here they are reported: with tau2's grading the task is kept and its row
names them; with ours it is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from t2t_dist.core.errors import InputError
from t2t_dist.core.identity import stable_hash
from t2t_dist.core.schema import (
    INTENTS,
    CallPattern,
    Certificate,
    Goal,
    GoldCall,
    GraderSide,
    Intent,
    RecordChange,
    Task,
    UserSide,
)
from t2t_dist.core.task_domain import variant_of
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import AGENT, USER, Call, Kind, ToolCrash, ToolResult
from t2t_dist.synthesis.grader_side import changes_of

from . import IMPORTED, PART
from .initial_world import world_from
from .messages import of_history
from .task_format import FORBIDDEN, REQUIRED, Action, Form, Instructions, form_of, lifted, patterns, raw_of, raw_text

Grading = Literal["tau2", "own"]
_CHANGES = TypeAdapter(list[RecordChange])
#: Columns of a row, beside its sides, that importing again decides.
_DECIDED = ("intent", "customer", "world", "twin_of", "difficulty")
#: The reason of a rejected task that is set in another database than the domain's.
OTHER_DATABASE = "other_database"
_OTHER_GOLD = "the grader's side is not what replaying the gold gives; what an earlier version imported, import again"
#: The reason for which earlier versions rejected tasks that continue a conversation.
CONTINUES = "message_history"


class Raised(NamedTuple):
    """A gold call that raises when the gold is replayed; if its kind is ``write``, the final state lacks its change."""

    task: str
    place: int
    name: str
    kind: str
    message: str


class Imported(NamedTuple):
    """An imported task, and its gold calls that raise."""

    task: Task
    raised: list[Raised]


def import_task(domain: Domain, name: str, raw: Mapping[str, Any], index: int, grading: Grading) -> Imported:
    """Import a task.

    Args:
        name: the domain's name, as given with ``--domain``.
        index: the task's place in its file.
        grading: whose verdict is the reward.

    Raises:
        InputError: it is not a tau2 task.
    """
    raw = lifted(raw)
    form = form_of(raw, f"task {index}")
    where = f"task '{form.id}'"
    own = raw.get("t2t") if isinstance(raw.get("t2t"), dict) else {}
    assert isinstance(own, dict)
    forbidden = form.forbidden + patterns(own, FORBIDDEN, where)
    required = form.required + patterns(own, REQUIRED, where)
    reason, detail = "", ""
    changes = _world(own, where)
    try:
        domain = variant_of(domain, changes, where)
        world = world_from(domain, form, where)
    except InputError as error:
        world, reason, detail = domain.world(), "bad_initial_state", str(error)
    initial = world.digest
    _replay_history(domain, world, form)
    gold, raised, customer = _played(domain, world, form, required)
    text = "; ".join(f"gold call {r.place} {r.name} raises: {r.message}" for r in raised)
    if not reason and raised and grading == "own":
        reason, detail = "gold_fails", text
    criteria = form.evaluation_criteria
    facts = list((criteria and criteria.communicate_info) or [])
    grader = GraderSide(
        gold=gold,
        initial=initial,
        final=world.digest,
        allowed_diff=changes_of(world),
        forbidden=forbidden,
        required=required,
        communicate=facts,
    )
    grader.basis = [PART] if grading == "tau2" else own_parts(grader)
    intent = _intent(raw, own, forbidden)
    task = Task(
        task_id=f"task-{stable_hash('tau2', name, form.id)}",
        trajectory_id=f"tau2/{form.id}",
        index=index,
        intent=intent,
        domain=name,
        customer=customer,
        writer=IMPORTED,
        seed=0,
        user=_user_side(form),
        grader=grader,
        certificate=Certificate(intent=intent, replays=[world.digest], reason=text or None),
        verdict="rejected" if reason else "verified",
        reasons=[reason] if reason else [],
        detail=detail or text,
        raw=raw_text(raw),
        world=changes or None,
    )
    return Imported(task, raised)


def _world(own: Mapping[str, Any], where: str) -> list[RecordChange]:
    """The records of a task's own world. Raises InputError: they are none."""
    try:
        return _CHANGES.validate_python(own.get("world") or [])
    except ValidationError as error:
        raise InputError(f"{where}: t2t.world must list records, each with table, key, before and after") from error


def reject_for_other_database(items: Sequence[Imported]) -> None:
    """Reject the tasks of a file most of whose gold calls raise: it is for another database than the domain's."""
    made, raised = sum(len(item.task.grader.gold) for item in items), sum(len(item.raised) for item in items)
    if 2 * raised > made:
        for task, _ in items:
            _rejected(task, OTHER_DATABASE, f"{raised} of {made} gold calls of its file raise on this database")


def own_parts(grader: GraderSide) -> list[str]:
    """Our parts that a grader's side has something to check for."""
    listed = {"forbidden": grader.forbidden, "required": grader.required, "communicate": grader.communicate}
    return ["db", *(part for part, wanted in listed.items() if wanted)]


def reimport(domain: Domain, task: Task) -> Task:
    """The task as it would be imported now, verdict included; rejected where either of its sides has changed.

    Raises InputError: the row holds no tau2 task.
    """
    raw = raw_of(task)
    if raw is None:
        raise InputError(f"{task.task_id} was imported, and its row does not hold what from")
    if task.reasons in ([OTHER_DATABASE], [CONTINUES]):
        return task  # decided by the whole file, which is not here; or before this could be played
    grading: Grading = "tau2" if PART in task.grader.basis else "own"
    now = import_task(domain, task.domain, raw, task.index, grading).task
    if now.grader.initial != task.grader.initial and now.reasons != ["bad_initial_state"]:
        return _rejected(task, OTHER_DATABASE, "the domain's database is not the one the task was imported on")
    if _compared(now.grader) != _compared(task.grader):
        return _rejected(task, "gold_differs", _OTHER_GOLD)
    # Earlier versions told the customer the name in the database.
    if task.user.name and task.user.name in ("a customer", domain.profile(domain.world(), task.customer).name):
        now.user.name = task.user.name
    if now.user != task.user or any(getattr(now, name) != getattr(task, name) for name in _DECIDED):
        what = ", ".join(_DECIDED)
        return _rejected(task, "sides_differ", f"the customer's side, or one of {what}, is not the imported task's")
    task.certificate, task.verdict, task.reasons, task.detail = now.certificate, now.verdict, now.reasons, now.detail
    return task


def _compared(grader: GraderSide) -> GraderSide:
    """A grader's side without the layout of the gold's results as JSON, in which earlier versions differ."""
    gold = [call.model_copy(update={"result": _read(call.result)}) for call in grader.gold]
    return grader.model_copy(update={"gold": gold})


def _read(result: str | None) -> Any:
    try:
        return None if result is None else json.loads(result)
    except ValueError:
        return result


def _rejected(task: Task, reason: str, detail: str) -> Task:
    task.verdict, task.reasons, task.detail = "rejected", [reason], detail
    return task


def _intent(raw: Mapping[str, Any], own: Mapping[str, Any], forbidden: Sequence[CallPattern]) -> Intent:
    for said in (own.get("intent"), raw.get("intent")):
        for intent in INTENTS:
            if said == intent:
                return intent
    return "infeasible" if forbidden else "general"


def _played(
    domain: Domain, world: World, form: Form, required: Sequence[CallPattern]
) -> tuple[list[GoldCall], list[Raised], str]:
    """The gold after making it on ``world``, its calls that raised, and the customer it is about."""
    criteria = form.evaluation_criteria
    actions = criteria.actions if criteria is not None else None
    if actions is None:
        # Releases with lists of calls drop the gold of infeasible tasks: its writes are among the required calls.
        writes = [p for p in required if p.name in domain.tools and domain.tools[p.name].kind is Kind.WRITE]
        actions = [Action(action_id=p.name, name=p.name, arguments=p.arguments or {}) for p in writes if p.arguments]
    gold: list[GoldCall] = []
    raised: list[Raised] = []
    customer = ""
    for place, action in enumerate(actions):
        side = USER if action.requestor == "user" else AGENT
        result = _execute(domain, world, action, side)
        tool = domain.tools.get(action.name)
        kind = tool.kind.value if tool is not None else "absent"
        if result.error:
            raised.append(Raised(form.id, place, action.name, kind, result.content.removeprefix("Error: ")))
        entry = tool is not None and tool in domain.entry_tools
        if tool is not None and not customer:
            customer = domain.identified(tool, result.value) or next(iter(domain.owners(tool, result.value)), "")
        gold.append(
            GoldCall(
                name=action.name,
                kind=kind,
                arguments=action.arguments,
                goal=-1 if entry else 0,
                result=result.content,
                requestor="user" if side == USER else None,
            )
        )
    return gold, raised, customer


def _replay_history(domain: Domain, world: World, form: Form) -> None:
    """Replay the calls of the message history: the gold continues from there."""
    for message in of_history((form.initial_state and form.initial_state.message_history) or []):
        for call in message.calls:
            action = Action(action_id="", name=call.name, arguments=call.arguments)
            _execute(domain, world, action, USER if call.requestor == "user" else AGENT)


def _execute(domain: Domain, world: World, action: Action, side: str) -> ToolResult:
    try:
        return domain.execute(world, Call(action.name, action.arguments), side)
    except ToolCrash as crash:
        return ToolResult(f"Error: {crash}", True, None, None, False)


def _user_side(form: Form) -> UserSide:
    """The user's side of the task: tau2's fields, and nothing of the grader's.

    tau2's customers have no other name than the one that their instructions may say.
    """
    scenario = form.user_scenario
    said = scenario.instructions
    if not isinstance(said, Instructions):
        said = Instructions(domain="", reason_for_call=said, task_instructions="")
    return UserSide(
        name="",
        persona=scenario.persona or "",
        reason_for_call=said.reason_for_call,
        known_info=said.known_info or "",
        unknown_info=said.unknown_info or "",
        task_instructions=said.task_instructions,
        identity=[],
        goals=[Goal(request=said.reason_for_call)],
    )
