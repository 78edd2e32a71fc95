"""An episode as a page shows it: its turns, with what each call changed in the world; its grade; gold beside actual."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import orjson

from t2t_dist.core.schema import GoldCall, RecordChange, Task, ToolCall, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.environments.state import META, RecordDiff, World, diff
from t2t_dist.environments.tool_faults import in_words, with_tool_faults
from t2t_dist.environments.tools import AGENT, USER, Kind, ToolCrash, ToolError
from t2t_dist.grading.diagnose import diagnose
from t2t_dist.grading.replay import breaks_rule, cited_rule
from t2t_dist.storage.rows import faults_of, outcome_of, turn_of
from t2t_dist.synthesis.grader_side import matches
from t2t_dist.tau2.initial_world import world_of

from .text import CUT, arguments_of, value_of, visible

#: A page of a conversation: rows (messages, and the calls of messages that have more than one), characters of HTML.
ROWS, _PAGE_SIZE = 150, 400_000
#: Calls without a counterpart in the gold that are listed beside it.
_EXTRAS = 100


class FieldChange(NamedTuple):
    """A field of a record; values as text, ``None`` where the record or field does not exist."""

    name: str
    before: str | None
    after: str | None


class Changed(NamedTuple):
    """A record that a call changed. ``what`` is ``added``, ``removed`` or ``changed``."""

    table: str
    key: str
    what: str
    fields: list[FieldChange]


@dataclass
class ShownCall:
    """A call with its result, if it was executed, and what it changed in the world.

    ``arguments`` are as the model wrote them (``None``: no JSON object); ``checked`` as the tool
    validated them, with its defaults.
    """

    name: str
    arguments: dict[str, Any] | None
    raw: str
    checked: dict[str, Any] | None = None
    own: bool = False  # the customer's, on their own device
    kind: str = ""
    result: str | None = None
    error: bool = False
    forbidden: bool = False
    changes: list[Changed] = field(default_factory=list)
    note: str = ""


@dataclass
class ShownTurn:
    """A message; results of calls are shown with their calls, not as turns."""

    number: int
    turn: Turn
    calls: list[ShownCall]


class Piece(NamedTuple):
    """The part of a turn that stands on one page: its calls from number ``first`` on."""

    turn: ShownTurn
    first: int
    calls: list[ShownCall]


class Page(NamedTuple):
    """One page of a conversation; ``after`` is the row that the next one begins with, ``None`` on the last."""

    pieces: list[Piece]
    after: int | None


class Pair(NamedTuple):
    """A gold call beside the actual one; ``None`` where there is none. ``mark``: same, missing, extra, other."""

    gold: GoldCall | None
    actual: ShownCall | None
    mark: str


class FieldPair(NamedTuple):
    """A field in the initial state, in the gold's final state and in the actual one."""

    name: str
    before: str | None
    gold: str | None
    actual: str | None

    @property
    def same(self) -> bool:
        return self.gold == self.actual


class RecordPair(NamedTuple):
    """A record that the gold or the episode changed. ``mark``: same, missing, extra, other."""

    table: str
    key: str
    fields: list[FieldPair]
    mark: str


@dataclass
class ShownEpisode:
    """What was derived from an episode; ``unreplayed`` is the reason where there is no state diff."""

    turns: list[ShownTurn]
    pairs: list[Pair] = field(default_factory=list)
    #: Further calls that are not in the gold, beyond those in ``pairs``.
    more_calls: int = 0
    records: list[RecordPair] = field(default_factory=list)
    unreplayed: str = ""

    @property
    def calls(self) -> int:
        return sum(len(turn.calls) for turn in self.turns)

    @property
    def rows(self) -> int:
        """Length of the conversation: a turn counts once, or as often as it has calls."""
        return sum(max(1, len(turn.calls)) for turn in self.turns)

    def page(self, start: int) -> Page:
        """The conversation from row ``start`` on, as much of it as fits a page; at least one row."""
        pieces, at, size = list[Piece](), 0, 0
        for turn in self.turns:
            calls: Sequence[ShownCall | None] = turn.calls or [None]
            for number, call in enumerate(calls[max(start - at, 0) :], max(start - at, 0)):
                size += _size(turn, number, call)
                if pieces and (size > _PAGE_SIZE or at + number >= start + ROWS):
                    return Page(pieces, at + number)
                if not pieces or pieces[-1].turn is not turn:
                    pieces.append(Piece(turn, number, []))
                if call is not None:
                    pieces[-1].calls.append(call)
            at += len(calls)
        return Page(pieces, None)

    def total(self, name: str) -> float:
        """Sum of a figure over the turns, tool turns included."""
        return float(sum(getattr(turn.turn, name) for turn in self.turns))


class Explanation(NamedTuple):
    """Why an episode ended as it did; ``turn`` is the place in the transcript that shows it, where there is one."""

    title: str
    detail: str
    turn: int | None = None


def diagnosed(row: dict[str, Any], task: Task, domain: Domain) -> list[Explanation]:
    """The findings of the episode's diagnosis, the primary one first; empty where the domain's code fails."""
    try:
        turns = [turn_of(turn) for turn in row["turns"]]
        found = diagnose(domain, task, turns, row["termination"], outcome_of(row), row["flags"] or (), faults_of(row))
    except Exception:  # third-party code: the page shows the rest
        return []
    return [Explanation(finding.code.replace("_", " "), finding.detail, finding.turn) for finding in found.findings]


def reasons(row: dict[str, Any]) -> list[Explanation]:
    """What grading found, or the failure: shown at the top of the page, below the diagnosis."""
    given = ", ".join(f"{tool} ({in_words(fault)})" for tool, fault in faults_of(row).items())
    faults = [Explanation("tool faults", given)] if given else []
    if row.get("failure"):
        return [Explanation(row["failure"].replace("_", " "), row.get("message") or ""), *faults]
    try:
        detail = orjson.loads(row.get("detail") or "{}")
    except orjson.JSONDecodeError:
        return []
    found = faults + [Explanation(name, str(why)) for name, why in detail.items()]
    broken = [name.replace("_", " ") for name, kept in (row.get("process") or {}).items() if kept is False]
    return found + ([Explanation("process", f"not kept: {', '.join(broken)}")] if broken else [])


def show(row: dict[str, Any], task: Task | None, domain: Domain | str) -> ShownEpisode:
    """Derive what an episode's page shows; ``domain`` may be the reason why there is none."""
    turns = _turns([turn_of(turn) for turn in row["turns"] or ()])
    shown = ShownEpisode(turns)
    world: World | None = None
    if isinstance(domain, str):
        shown.unreplayed = domain
    else:
        world, shown.unreplayed = _replay(with_tool_faults(domain, faults_of(row)), turns, task)
    actual = [call for turn in turns for call in turn.calls]
    if task is not None:
        for call in actual:
            call.forbidden = call.forbidden or (
                not call.own
                and any(matches(p, call.name, call.checked or call.arguments or {}) for p in task.grader.forbidden)
            )
        shown.pairs, shown.more_calls = _bounded(_beside(task.grader.gold, actual, domain))
        if world is not None:
            shown.records = _records(task.grader.allowed_diff, world.changes())
    return shown


def _turns(turns: Sequence[Turn]) -> list[ShownTurn]:
    shown: list[ShownTurn] = []
    answers: list[ShownCall] = []  # calls whose results are still to come, in their order
    for number, turn in enumerate(turns):
        if turn.role == "tool" and answers:
            call = answers.pop(0)
            call.result, call.error = turn.content or "", turn.error
            continue
        calls = [_call(call, turn.seat) for call in turn.tool_calls]
        shown.append(ShownTurn(number, turn, calls))
        answers = list(calls)
    return shown


def _call(call: ToolCall, seat: str) -> ShownCall:
    return ShownCall(call.name, arguments_of(call.arguments), call.arguments, own=seat == USER)


def _replay(domain: Domain, turns: Sequence[ShownTurn], task: Task | None) -> tuple[World | None, str]:
    """Replay the calls on a fresh world, noting what each changes; the final world, or why there is none."""
    waits = {c.name for t in turns for c in t.calls if (tool := domain.tools.get(c.name)) and tool.blocking}
    if waits:
        return None, f"not replayed: {', '.join(sorted(waits))} waits for something outside the world"
    world = domain.world() if task is None else world_of(domain, task)
    if task is not None and world.digest != task.grader.initial:
        return None, "the domain's database is not the one that this task was made on, so its calls can't be replayed"
    cited = None if task is None else cited_rule(domain, task)
    for turn in turns:
        side = USER if turn.turn.seat == USER else AGENT
        for call in turn.calls:
            tool = domain.tools.get(call.name)
            call.kind = tool.kind.value if tool else "unknown"
            if call.result is None:
                call.note = "not executed: the conversation was cut off here"
                continue
            # A call that breaks the cited rule need not be one that is listed as forbidden.
            before = world.fork() if call.kind in (Kind.WRITE.value, Kind.RECORD.value) else world
            try:
                result = domain.tools.execute(world, call.name, call.raw, side)
            except ToolCrash as crash:
                call.note = f"crashed in the replay: {crash}"
                continue
            call.checked = result.arguments
            if task is not None and side == AGENT:
                call.forbidden = breaks_rule(task, cited, before, call.name, result)
            if result.content != call.result:
                call.note = "gave another result in the replay"
            if result.changed:
                call.changes = [changed(change) for change in diff(before, world) if change.table != META]
    return world, ""


def changed(change: RecordDiff | RecordChange) -> Changed:
    """A record's change, field by field, down to what really differs."""
    what = "added" if change.before is None else "removed" if change.after is None else "changed"
    fields = [FieldChange(name, *texts) for name, texts in differing([change.before or {}, change.after or {}])]
    return Changed(change.table, change.key, what, fields)


_ABSENT = object()


def differing(values: Sequence[Any], path: str = "") -> Iterator[tuple[str, list[str | None]]]:
    """Where values differ: a path such as ``variants[7706410293].stock``, and each one's text there (``None``: absent).

    Descends as long as all values have the same form. Elements of a list are matched by their ids where each has a
    distinct one, so that one more element does not shift all the others.
    """
    if all(isinstance(value, Mapping) for value in values):
        inner = [dict(value) for value in values]
        form = "{}.{}" if path else "{}{}"
    elif all(isinstance(value, Sequence) and not isinstance(value, str) for value in values):
        key = _id_of(values)
        inner = [{each[key] if key else n: each for n, each in enumerate(value, 1)} for value in values]
        form = "{}[{}]"
    else:
        first: dict[bytes, str] = {}  # one text for equal values, whatever the order of their fields
        texts = [None if v is _ABSENT else first.setdefault(_canonical(v), value_of(v)) for v in values]
        if any(text != texts[0] for text in texts):
            yield path, texts
        return
    for name in dict.fromkeys(name for each in inner for name in each):
        yield from differing([each.get(name, _ABSENT) for each in inner], form.format(path, name))


def _id_of(lists: Sequence[Sequence[Any]]) -> str:
    """The field that identifies the elements in each of these lists; empty where there is none."""
    elements = [element for each in lists for element in each]
    if not elements or not all(isinstance(element, Mapping) for element in elements):
        return ""
    for key in sorted(key for key in elements[0] if key.endswith("id")):
        there = all(isinstance(element.get(key), str) for element in elements)
        if there and all(len({element[key] for element in each}) == len(each) for each in lists):
            return str(key)
    return ""


def _canonical(value: Any) -> bytes:
    """A JSON text that is equal for equal values; as in a world, 50 equals 50.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _key(name: str, arguments: dict[str, Any] | None) -> str:
    return f"{name} {json.dumps(arguments, sort_keys=True)}"


def _checked(call: GoldCall, domain: Domain | str) -> dict[str, Any]:
    """A gold call's arguments with the tool's defaults."""
    tool = None if isinstance(domain, str) else domain.tools.get(call.name)
    try:
        return tool.validate(call.arguments) if tool else call.arguments
    except ToolError:
        return call.arguments


def _beside(gold: Sequence[GoldCall], actual: Sequence[ShownCall], domain: Domain | str) -> list[Pair]:
    """Gold and actual calls as pairs, each side in its order, equal calls side by side."""
    left = [_key(call.name, _checked(call, domain)) for call in gold]
    right = [_key(call.name, call.arguments if call.checked is None else call.checked) for call in actual]
    pairs: list[Pair] = []
    for _, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        ours, theirs = list(gold[a:b]), list(actual[c:d])
        if left[a:b] == right[c:d]:
            pairs += [Pair(g, t, "same") for g, t in zip(ours, theirs, strict=True)]
            continue
        while ours or theirs:
            if ours and theirs and ours[0].name == theirs[0].name:
                pairs.append(Pair(ours.pop(0), theirs.pop(0), "other"))
            elif theirs and not (ours and any(t.name == ours[0].name for t in theirs)) and ours:
                pairs.append(Pair(ours.pop(0), None, "missing"))
            elif theirs:
                pairs.append(Pair(None, theirs.pop(0), "extra"))
            else:
                pairs.append(Pair(ours.pop(0), None, "missing"))
    return pairs


def _size(turn: ShownTurn, number: int, call: ShownCall | None) -> int:
    """About how many characters of HTML a row takes."""
    texts = [] if number else [(turn.turn.content or "")[:CUT], (turn.turn.reasoning or "")[:CUT]]
    if call is not None:
        texts += [call.raw[:20_000], (call.result or "")[:CUT]]
        fields = [each for change in call.changes[:40] for each in change.fields[:40]]
        texts += [(text or "")[:400] for each in fields for text in (each.before, each.after)]
    return 500 + sum(len(visible(text)) for text in texts)


def _bounded(pairs: Sequence[Pair]) -> tuple[list[Pair], int]:
    """All pairs with a gold call and the first of the others, and how many of those are left out."""
    extras = [number for number, pair in enumerate(pairs) if pair.gold is None]
    left_out = set(extras[_EXTRAS:])
    return [pair for number, pair in enumerate(pairs) if number not in left_out], len(left_out)


def _records(gold: Sequence[RecordChange], actual: Sequence[RecordDiff]) -> list[RecordPair]:
    """Records that either side changed, field by field."""
    wanted = {(change.table, change.key): change for change in gold}
    made = {(change.table, change.key): change for change in actual}
    found = []
    for place in sorted(wanted.keys() | made.keys(), key=lambda place: (place[0] == META, place)):
        ours, theirs = wanted.get(place), made.get(place)
        before = (ours or theirs).before or {}  # type: ignore[union-attr]
        after_gold = before if ours is None else ours.after or {}
        after_made = before if theirs is None else theirs.after or {}
        fields = [FieldPair(name, *texts) for name, texts in differing([before, after_gold, after_made])]
        same = all(f.same for f in fields)
        if place[0] == META and same:
            continue  # clock and counters
        mark = "same" if same else "missing" if theirs is None else "extra" if ours is None else "other"
        found.append(RecordPair(*place, fields, mark))
    return found
