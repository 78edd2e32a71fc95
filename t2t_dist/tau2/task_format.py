"""The format of tau2's ``tasks.json`` (v1.0.1), as far as it is used here; a row's ``raw`` keeps the whole task."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ValidationError

from t2t_dist.core.errors import InputError
from t2t_dist.core.schema import CallPattern, Task
from t2t_dist.environments.files import read_text
from t2t_dist.environments.json_text import Unreadable, read_json
from t2t_dist.environments.tools import problems

from . import IMPORTED

Part = Literal["DB", "ENV_ASSERTION", "NL_ASSERTION", "ACTION", "COMMUNICATE", "PROHIBITED_ACTION", "REQUIRED_ACTION"]
Requestor = Literal["user", "assistant"]

#: Most bytes of a file of tasks: it is read as a whole, and takes some ten times as much memory.
MOST_BYTES = 256 << 20
#: Parts that only releases of Trajectory2Task's tasks know; tau2 does not load a task that names them.
RELEASES_PARTS = ("PROHIBITED_ACTION", "REQUIRED_ACTION")
#: Names of the lists of required and of forbidden calls in those releases.
REQUIRED = ("actions_should_be_taken", "actions_should_taken")
FORBIDDEN = ("actions_should_not_be_taken", "actions_should_not_taken")


class Action(BaseModel):
    """A gold call."""

    action_id: str
    requestor: Requestor = "assistant"
    name: str
    arguments: dict[str, Any]
    compare_args: list[str] | None = None

    def matches(self, name: str, arguments: Mapping[str, Any]) -> bool:
        """Whether a call counts as this one, compared in ``compare_args`` or in the arguments that the *call* has."""
        if name != self.name:
            return False
        looked_at = arguments.keys() if self.compare_args is None else self.compare_args
        theirs = {key: value for key, value in arguments.items() if key in looked_at}
        return theirs == {key: value for key, value in self.arguments.items() if key in looked_at}


class EnvCall(BaseModel):
    """A call of a function in one side's toolkit, whether or not it is a tool."""

    env_type: Requestor
    func_name: str
    arguments: dict[str, Any]


class EnvAssertion(EnvCall):
    """The answer that such a call must give on the final state."""

    assert_value: bool = True
    message: str | None = None


def _fact(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


class Criteria(BaseModel):
    """The evaluation criteria; the product of the parts in the basis is the reward."""

    actions: list[Action] | None = None
    env_assertions: list[EnvAssertion] | None = None
    communicate_info: list[Annotated[str, BeforeValidator(_fact)]] | None = None
    nl_assertions: list[str] | None = None
    reward_basis: list[Part] = ["DB", "COMMUNICATE"]


class Instructions(BaseModel):
    """What the customer wants and knows."""

    domain: str
    reason_for_call: str
    known_info: str | None = None
    unknown_info: str | None = None
    task_instructions: str


class Scenario(BaseModel):
    """Everything that the simulated user knows."""

    persona: str | None = None
    instructions: Instructions | str


class InitialData(BaseModel):
    """Data that is laid over the database of one side."""

    agent_data: dict[str, Any] | None = None
    user_data: dict[str, Any] | None = None


class InitialState(BaseModel):
    """The state in which the conversation begins."""

    initialization_data: InitialData | None = None
    initialization_actions: list[EnvCall] | None = None
    message_history: list[dict[str, Any]] | None = None


class Form(BaseModel):
    """A task in tau2's form. Other fields are not checked. ``forbidden``, ``required``: the lists of a release."""

    id: str
    user_scenario: Scenario
    initial_state: InitialState | None = None
    evaluation_criteria: Criteria | None = None
    forbidden: list[CallPattern] = []
    required: list[CallPattern] = []

    def state(self) -> dict[str, Any] | None:
        """The initial state to set up, without the message history; ``None`` if there is none."""
        state = self.initial_state
        if state is None or not (state.initialization_data or state.initialization_actions):
            return None
        return state.model_dump(exclude={"message_history"})


def read_tasks(file: str) -> list[dict[str, Any]]:
    """The tasks of a file: a list, an object with a list ``tasks``, or one task a line (``.jsonl``).

    A task without an id, as some releases have them, gets its ``trajectory_id`` or else its place in the file as one.

    Raises:
        InputError: no such file, not JSON, no such list, or a bad task (which, and what is wrong).
    """
    try:
        text = read_text(file, MOST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        what = "import it in parts" if getattr(error, "errno", None) == errno.EFBIG else "give a tasks.json"
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or error}; {what}") from None
    try:
        lines = file.endswith(".jsonl")
        data = [read_json(line) for line in text.splitlines() if line.strip()] if lines else read_json(text)
    except Unreadable as error:
        raise InputError(f"{file} is {error}") from None
    tasks = data.get("tasks") if isinstance(data, dict) else data
    if not isinstance(tasks, list):
        raise InputError(f"{file} must hold a list of tasks, or an object with one under 'tasks'")
    if not tasks:
        raise InputError(f"{file} holds no task")
    seen: set[str] = set()
    for place, raw in enumerate(tasks):
        if isinstance(raw, dict) and raw.get("id") is None:
            raw["id"] = str(raw.get("trajectory_id") or place)
        form = form_of(raw, f"{file}: task {place}")
        if form.id in seen:
            raise InputError(f"{file}: two tasks have the id '{form.id}'; ids tell tasks apart")
        seen.add(form.id)
    return tasks


def form_of(raw: Any, where: str) -> Form:
    """A task's form. Raises InputError: one line that names ``where`` and the field."""
    name = raw.get("id") if isinstance(raw, dict) else None
    called = f" ('{name}')" if isinstance(name, str) else ""
    try:
        form = Form.model_validate({key: raw[key] for key in _FIELDS if key in raw} if isinstance(raw, dict) else raw)
    except ValidationError as error:
        raise InputError(f"{where}{called} is not a task of tau2's: {problems(error)}") from None
    form.forbidden = patterns(raw, FORBIDDEN, where + called)
    form.required = patterns(raw, REQUIRED, where + called)
    return form


_FIELDS = ("id", "user_scenario", "initial_state", "evaluation_criteria")


def raw_of(task: Task) -> dict[str, Any] | None:
    """An imported task as it stands in tau2's file; ``None`` for a generated one."""
    if task.writer != IMPORTED or task.raw is None:
        return None
    raw = json.loads(task.raw)
    return raw if isinstance(raw, dict) else None


def raw_text(raw: Mapping[str, Any]) -> str:
    """A tau2 task as JSON text, for a row's ``raw``."""
    return json.dumps(raw, ensure_ascii=False, separators=(",", ":"))


# -- required and forbidden calls --------------------------------------------------------------------------------------
def _places(raw: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that may hold a release's lists: the task, its criteria, its scenario and instructions."""
    scenario = raw.get("user_scenario")
    instructions = scenario.get("instructions") if isinstance(scenario, dict) else None
    for place in (raw, raw.get("evaluation_criteria"), scenario, instructions):
        if isinstance(place, dict):
            yield place


def lifted(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The task with its lists moved to the top, out of the instructions: the user must not see the grader's side."""
    copy: dict[str, Any] = json.loads(json.dumps(raw))
    lists: dict[str, Any] = {}
    for place in list(_places(copy))[1:]:
        for name in (*REQUIRED, *FORBIDDEN):
            if name in place:
                lists.setdefault(name, place.pop(name))
    for name, value in lists.items():
        copy.setdefault(name, value)
    return copy


def patterns(raw: Mapping[str, Any], names: tuple[str, ...], where: str) -> list[CallPattern]:
    """The calls of a list, under any of its names. Raises InputError: it is no list of calls."""
    found: list[CallPattern] = []
    for place in _places(raw):
        for name in names:
            listed = place.get(name)
            for item in [] if listed is None else listed if isinstance(listed, list) else [listed]:
                pattern = _pattern(item)
                if pattern is None:
                    raise InputError(f"{where}: {name} must list calls, each with a name (or tool_name) and arguments")
                if pattern not in found:
                    found.append(pattern)
    return found


def _pattern(item: Any) -> CallPattern | None:
    if isinstance(item, str) and item:
        return CallPattern(name=item)
    if not isinstance(item, dict):
        return None
    name = item.get("name", item.get("tool_name"))
    if not isinstance(name, str) or not name:
        return None
    arguments = item.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        return None
    return CallPattern(name=name, arguments=arguments or None)
