"""Diagnosis of a failed episode, as codes: from its transcript, its task (gold, certificate) and its stored grade.

A pure function of stored data, computed on demand, so that a better diagnosis needs no new run. The transcript is
replayed as grading does it; then each write that should not have been made, and each that is missing, is traced back to
what came before it. One finding is the primary one: the first cause, in the order of :data:`CODES`, that explains a
part of the grade.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from t2t_dist.core.schema import CallPattern, Fact, GoldCall, Outcome, Task, Turn
from t2t_dist.core.speech_acts import asks_for, asks_to_confirm, mentions, normalised, offers_more, refuses
from t2t_dist.core.task_domain import domain_of
from t2t_dist.core.text_calls import call_in_text
from t2t_dist.environments.base import Domain
from t2t_dist.environments.tool_faults import Fault, in_words, planned
from t2t_dist.environments.tools import AGENT, USER, Call, Kind
from t2t_dist.simulation.user_faults import ROLE_SWAP, STOP_BEFORE_WRITE
from t2t_dist.synthesis.grader_side import records_in, refused_patterns, writes_in
from t2t_dist.synthesis.intents.changing import wanted_before
from t2t_dist.tau2.initial_world import world_of
from t2t_dist.tau2.second_verdict import own_basis

from .expected import expected
from .parts import claimed, untold
from .replay import ReplayedCall, replay

#: Code of a cause -> its meaning, causes before their effects: the first that explains the grade is the primary one.
CODES: dict[str, str] = {
    "simulator_fault": "the simulated user spoiled the conversation",
    "tool_fault": "tools that were made to fail cut the conversation off",
    "forbidden_call": "issued a call that is forbidden for this task",
    "handed_over": "handed over a request that it had to settle or refuse itself",
    "wrong_reason": "put a refusal on record with another request or another rule",
    "said_done": "told the customer that it did what it had to refuse",
    "not_on_record": "left what it refused, or should have refused, without a record",
    "acted_before_trigger": "carried out a request without giving the customer a chance to change it",
    "acted_before_asking": "chose a value that the customer would have given if asked",
    "ignored_change": "carried out a request after the customer had changed it",
    "context_exceeded": "the conversation outgrew the model's context",
    "format_error": "malformed calls (unknown tools, bad arguments, calls left as text), or no answer at all",
    "looped": "repeated the same call or message again and again",
    "refused_feasible": "refused a request that can be fulfilled",
    "gave_up": "ended the conversation, or transferred it, with things left to do",
    "wrong_argument": "the right tool with a wrong argument",
    "missing_write": "never made a change that was requested",
    "no_handover": "did not transfer the customer where a rule requires it",
    "extra_write": "made a change that nobody requested",
    "refusal_not_said": "refused a request without telling the customer",
    "fact_not_said": "did not say what the customer wanted to know",
    "not_authenticated": "acted before identifying the customer, or looked into another customer's data",
    "no_confirmation": "did not ask for confirmation before a write",
    "wrong_order": "made calls in another order than the policy wants",
    "asked_given": "asked for what the customer had already said",
    "other": "ended in the wrong state, and no other cause explains it",
}

#: The same call, or the same message, this many times is a loop.
_LOOP = 3
#: Messages of fewer words may well be repeated.
_LOOP_WORDS = 5


class Finding(NamedTuple):
    """One thing that went wrong. ``turn`` is its place in the transcript, if any; ``explains``: whether a part of the
    grade is 0 because of it."""

    code: str
    detail: str
    turn: int | None = None
    explains: bool = True


class Diagnosis(NamedTuple):
    """The findings of one episode. ``primary`` is the code of the first one, and "" for an episode with full reward;
    the others stand in the order of CODES."""

    primary: str
    findings: tuple[Finding, ...]

    @property
    def codes(self) -> list[str]:
        """The codes that apply, each once, the primary one first."""
        return list(dict.fromkeys(finding.code for finding in self.findings))


def diagnose(
    domain: Domain,
    task: Task,
    turns: Sequence[Turn],
    termination: str,
    outcome: Outcome,
    flags: Sequence[str] = (),
    faults: Mapping[str, str] = {},
) -> Diagnosis:
    """The findings of a graded episode: why it has no full reward or, where it has, what went wrong all the same.

    Pure; costs about as much as grading. Raises whatever the domain raises for calls that it can't replay.
    """
    order = list(CODES)
    found = sorted(
        _Case(domain, task, turns, termination, outcome, flags, faults).findings(), key=lambda f: order.index(f.code)
    )
    if outcome.reward >= 1:
        return Diagnosis("", tuple(finding._replace(explains=False) for finding in found))
    causes = [finding for finding in found if finding.explains]
    if not causes:
        detail = "; ".join(f"{part}: {why}" for part, why in outcome.detail.items()) or "no cause found"
        causes = [Finding("other", detail)]
        found = [*found, *causes]
    first = causes[0]
    return Diagnosis(first.code, (first, *(finding for finding in found if finding is not first)))


class _Case:
    """One episode under examination."""

    def __init__(
        self,
        domain: Domain,
        task: Task,
        turns: Sequence[Turn],
        termination: str,
        outcome: Outcome,
        flags: Sequence[str],
        faults: Mapping[str, str],
    ) -> None:
        domain = domain_of(domain, task)
        self.domain, self.task, self.turns = domain, task, turns
        self.termination, self.outcome, self.flags, self.faults = termination, outcome, flags, faults
        self.expected = expected(domain, task, faults)
        self.replay = replay(domain, task, turns, faults)
        self.calls, self.issued = self.replay.calls, self.replay.issued
        self.failed = {name for name in own_basis(task) if outcome.parts.get(name) == 0}
        #: The writes, on both sides, that each request would take which the customer gives up.
        self.given_up = wanted_before(domain, task, partial(world_of, domain, task))
        self.first = [step for steps in self.given_up for step in steps]
        #: What the customer had said before each turn.
        self.heard: list[str] = []
        said = ""
        for turn in turns:
            self.heard.append(said)
            if turn.seat == USER and turn.role == "user" and turn.content and not turn.tool_calls:
                said = f"{said}\n{turn.content}"

    def findings(self) -> Iterator[Finding]:
        yield from self._cut_off()
        yield from self._left_as_text()
        yield from self._forbidden()
        yield from self._records()
        missing = list(self._writes()) if "db" in self.failed else []
        yield from missing
        yield from self._left_undone(missing)
        yield from self._required_and_said()
        yield from self._process()
        yield from self._asked_given()

    # -- how it ended --------------------------------------------------------------------------------------------------
    def _cut_off(self) -> Iterator[Finding]:
        end = self.termination
        # A forbidden tool that does not exist is not called in error, nor is one that was made to fail.
        bad = [c for c in self.issued if not c.valid and not c.made_to_fail and not self._is_forbidden(c)]
        if end == "context_exceeded":
            yield Finding("context_exceeded", f"after {len(self.turns)} messages")
        if end == "truncated":
            yield Finding(
                "format_error", "reached its token limit before it said or called anything", len(self.turns) - 1
            )
        elif bad:
            shown = f"{_call(bad[0].name, bad[0].arguments)}: {self._answer(bad[0])}"
            fatal = end == "too_many_errors"
            yield Finding("format_error", f"{len(bad)} such calls, the first: {shown}", bad[0].place, fatal)
        if end == "too_many_errors" and not bad:
            met = self._met_faults()
            if met:
                shown = ", ".join(f"{name} ({in_words(self.faults[name])})" for name in met)
                yield Finding("tool_fault", f"too many calls were made to fail: {shown}", self.calls[-1].place)
            else:
                yield Finding("looped", "went on making calls that the tools refused", self.calls[-1].place)
        yield from self._repeated(fatal=end == "max_steps")

    def _met_faults(self) -> list[str]:
        """The tools whose planned faults were most of the errors in a row that ended the conversation; an agent that
        goes on calling what is out of order has itself to blame."""
        planned: dict[str, None] = {}
        own = 0
        for call in reversed(self.issued):
            if not call.error:
                break
            if call.made_to_fail and call.name not in planned:
                planned[call.name] = None
            else:
                own += 1
        return list(planned) if len(planned) > own else []

    def _left_as_text(self) -> Iterator[Finding]:
        """Calls that stand in the agent's text: nobody made them, unless the agent came back to them."""
        names = {tool.name for tool in self.domain.tools.side(AGENT)}
        found = [
            (place, call)
            for place, turn in enumerate(self.turns)
            if turn.seat == AGENT and turn.role == "assistant" and not turn.tool_calls
            if (call := call_in_text(turn.content, names)) is not None
        ]
        if found:
            place, first = found[0]
            made = all(
                any(call.place > place and (call.name == name or name not in names) for call in self.issued)
                for place, name in found
            )
            detail = f"left {len(found)} calls in its text, the first: {_short(first)}; no tool parser seems to be on"
            yield Finding("format_error", detail, place, not made)

    def _repeated(self, fatal: bool) -> Iterator[Finding]:
        calls = Counter((call.name, json.dumps(call.arguments, sort_keys=True)) for call in self.issued)
        words = Counter(normalised(text) for text in self.replay.said if text.count(" ") >= _LOOP_WORDS - 1)
        for (name, _), times in calls.most_common(1):
            if times >= _LOOP:
                yield Finding("looped", f"called {name} {times} times with the same arguments", None, fatal)
                return
        for text, times in words.most_common(1):
            if times >= _LOOP:
                yield Finding("looped", f"said {times} times: {_short(text)}", None, fatal)
                return
        if fatal:
            yield Finding("looped", "the conversation reached its limit of turns")

    # -- calls ---------------------------------------------------------------------------------------------------------
    def _forbidden(self) -> Iterator[Finding]:
        for pattern in self.task.grader.forbidden:
            for call in self.issued:
                if call.is_one_of([pattern]):
                    detail = f"{_call(call.name, call.arguments)} {'was refused' if call.error else 'was accepted'}"
                    code = self._too_early_or_late(call) if self._is_of_first(pattern) else "forbidden_call"
                    yield Finding(code, detail, call.place, bool({"forbidden", "db"} & self.failed))
                    break

        broken = next((call for call in self.issued if call.breaks_rule and not self._is_listed(call)), None)
        if broken is not None:
            detail = f"{_call(broken.name, broken.arguments)} breaks R{self.task.grader.rule}"
            yield Finding("forbidden_call", detail, broken.place, bool({"forbidden", "db"} & self.failed))

    def _is_of_first(self, pattern: CallPattern) -> bool:
        """Whether a pattern is forbidden since the customer wants it no longer, and not since it has to be refused."""
        return bool(self.first) and pattern not in refused_patterns(self.task)

    def _is_listed(self, call: ReplayedCall) -> bool:
        return call.is_one_of(self.task.grader.forbidden)

    def _is_forbidden(self, call: ReplayedCall) -> bool:
        return call.breaks_rule or self._is_listed(call)

    def _records(self) -> Iterator[Finding]:
        """What is on record about how requests were handled, against the gold."""
        wrong, transfer = "db" in self.failed, self.domain.transfer_tool
        gold = records_in(self.task.grader.gold)
        made = [call for call in self.calls if call.kind == Kind.RECORD.value and not call.error]
        extra = [c for c in made if not any(_same(g, c) or g.name == c.name == transfer for g in gold)]
        missing = [g for g in gold if not any(_same(g, c) or g.name == c.name == transfer for c in made)]
        for call in extra:
            if call.name == transfer:
                yield Finding("handed_over", _call(call.name, call.arguments), call.place, wrong)
            elif any(each.name == call.name for each in missing):
                right = next(each for each in missing if each.name == call.name)
                detail = f"{_call(call.name, call.arguments)} instead of {_call(right.name, right.arguments)}"
                yield Finding("wrong_reason", detail, call.place, wrong)
            else:
                yield Finding("refused_feasible", _call(call.name, call.arguments), call.place, wrong)
        for each in missing:
            if each.name != transfer and all(call.name not in (each.name, transfer) for call in extra):
                yield Finding("not_on_record", _call(each.name, each.arguments), None, wrong)

    def _writes(self) -> Iterator[Finding]:
        """What each write that is not in the gold stands for, and the gold writes that no other write stands for."""
        gold = writes_in(self.task.grader.gold)
        made = [call for call in self.calls if call.kind == Kind.WRITE.value and (call.changed or call.side == AGENT)]
        # A goal with a call that can't be made is left as it is, or done as far as it goes: both are right.
        stuck = {call.goal for call in self.task.grader.gold if self.faults.get(call.name) == Fault.IMPOSSIBLE}
        missing = [call for call in gold if call.goal not in stuck]
        wrong = []
        for event in made:
            match = next((call for call in missing if event.changed and _same(call, event)), None)
            if match is not None:
                missing.remove(match)
            elif any(_same(call, event) for call in gold):
                continue
            elif event.side == AGENT and event.arguments:
                wrong.append(event)
            elif any(_is(step, event) for step in self.first):
                wrong.append(event)  # the agent had the customer do it
        explained: list[GoldCall] = []
        for event in wrong:
            finding, call = self._wrong(event, missing, gold)
            if self._is_forbidden(event):
                # It was named above; what it stands for was not wanted where a request has to be refused.
                of_first = any(event.is_one_of([p]) and self._is_of_first(p) for p in self.task.grader.forbidden)
                finding, call = None, call if of_first else None
            if finding is not None:
                yield finding
            if call is not None:
                explained.append(call)
        for call in missing:
            if call not in explained:
                yield Finding("missing_write", _call(call.name, call.arguments) + self._after_fault(call.name))

    def _after_fault(self, name: str) -> str:
        if any(call.name == name and call.made_to_fail for call in self.issued):
            return f"; {name} was made to fail ({in_words(self.faults[name])})"
        alike = planned(Fault.DISTRACTOR, name)
        called = next((call.name for call in self.issued if self.faults.get(call.name) == alike), None)
        return f"; {called}, which looks like it, was called" if called else ""

    def _wrong(
        self, event: ReplayedCall, missing: list[GoldCall], gold: list[GoldCall]
    ) -> tuple[Finding | None, GoldCall | None]:
        """A write that is not in the gold: its finding, and the missing call that it stands for."""
        change = self.task.user.change
        shown = _call(event.name, event.arguments)
        wanted = [call for call in missing if call.name == event.name] or [c for c in gold if c.name == event.name]
        call = min(wanted, key=lambda call: len(_differing(call, event)), default=None)
        steps = [step for step in self.first if step.name == event.name]
        first = min(steps, key=lambda step: len(_differing(step, event)), default=None)
        if first is not None and change is not None:
            closer = call is None or len(_differing(first, event)) < len(_differing(call, event))
            if closer:
                instead = next((c for c in missing if c.goal == change.goal), None)
                return Finding(self._too_early_or_late(event), shown, event.place), instead
        if call is None:
            guessed = self._guessed(event)
            if guessed:
                detail = f"{guessed} = {_text(event.arguments.get(guessed))}, before the customer had said it"
                return Finding("acted_before_asking", f"{event.name}.{detail}", event.place), None
            return (Finding("extra_write", shown, event.place) if event.changed else None), None
        stands_for = call if call in missing else None
        differing = _differing(call, event)
        unheard = [slot for slot in differing if (fact := self._withheld(call, slot)) and not self._heard(fact, event)]
        if unheard:
            chosen = ", ".join(f"{call.name}.{slot} = {_text(event.arguments.get(slot))}" for slot in unheard)
            return Finding("acted_before_asking", f"{chosen}, before the customer had said it", event.place), stands_for
        if stands_for is None:
            return (Finding("extra_write", shown, event.place) if event.changed else None), None
        detail = ", ".join(
            f"{call.name}.{slot}: {_text(event.arguments.get(slot))} instead of {_text(call.arguments.get(slot))}"
            for slot in differing
        )
        return Finding("wrong_argument", detail, event.place), stands_for

    def _too_early_or_late(self, event: ReplayedCall) -> str:
        """The cause where a request was carried out that the customer gives up."""
        alike = [
            (len(_differing(step, event)), number)
            for number, steps in enumerate(self.given_up)
            for step in steps
            if step.name == event.name
        ]
        number = min(alike)[1] if alike else 0
        return "ignored_change" if event.changes_said > number else "acted_before_trigger"

    def _guessed(self, event: ReplayedCall) -> str:
        """The slot that a call fills with another value than the customer would have given, unasked; empty if none.

        The call may be a step that only another value asks for: what is wrong with another phone.
        """
        for step in self.task.grader.gold:
            for slot in step.arguments.keys() & event.arguments.keys():
                fact = self._withheld(step, slot)
                if fact and event.arguments[slot] != step.arguments[slot] and not self._heard(fact, event):
                    return slot
        return ""

    def _withheld(self, call: GoldCall, slot: str) -> Fact | None:
        if not 0 <= call.goal < len(self.task.user.goals):
            return None
        facts = [fact for fact in self.task.user.goals[call.goal].facts if not fact.stated and fact.says]
        return next((fact for fact in facts if fact.slot == slot), None)

    def _heard(self, fact: Fact, event: ReplayedCall) -> bool:
        return mentions(self.heard[event.place], fact.says)

    def _left_undone(self, findings: Sequence[Finding]) -> Iterator[Finding]:
        """Why writes are missing: the agent said no, or left."""
        if not any(finding.code == "missing_write" for finding in findings):
            return
        grader = self.task.grader
        if grader.refused_goal is None:
            for place, turn in enumerate(self.turns):
                if turn.seat == AGENT and turn.role == "assistant" and turn.content and refuses(turn.content):
                    yield Finding("refused_feasible", _short(turn.content), place)
                    break
        if self.termination == "agent_stop":
            yield Finding("gave_up", "ended the conversation", len(self.turns) - 1)
        elif self.termination == "transfer" and not grader.required:
            yield Finding("gave_up", "handed the customer over", len(self.turns) - 1)
        if STOP_BEFORE_WRITE in self.flags:
            yield Finding("simulator_fault", "left before the agent did what it had announced", len(self.turns) - 1)

    def _required_and_said(self) -> Iterator[Finding]:
        grader = self.task.grader
        for pattern in grader.required:
            if not any(call.is_one_of([pattern]) for call in self.issued):
                yield Finding("no_handover", f"{pattern.name} was not called", None, "required" in self.failed)
        if absent := untold(self.expected.communicate, self.replay.heard, grader):
            yield Finding("fact_not_said", ", ".join(absent), None, "communicate" in self.failed)
        if "refused" in self.failed:
            claim = claimed(self.replay)
            yield Finding("said_done", _short(claim)) if claim else Finding("refusal_not_said", "")

    # -- manners -------------------------------------------------------------------------------------------------------
    def _process(self) -> Iterator[Finding]:
        process, counts = self.outcome.process, "process" in self.task.grader.basis
        if process.get("authenticated_first") is False:
            yield Finding("not_authenticated", "acted before it knew who the customer is", None, counts)
        elif process.get("own_data_only") is False:
            yield Finding("not_authenticated", "looked into another customer's data", None, counts)
        if process.get("confirmed_before_write") is False:
            yield Finding("no_confirmation", "wrote without a yes", None, counts)
        for rule, call in self.replay.out_of_order[:1]:
            yield Finding("wrong_order", f"{_call(call.name, call.arguments)}: R{rule}", None, counts)
        if ROLE_SWAP in self.flags:
            yield Finding("simulator_fault", "the customer spoke as the agent")

    def _asked_given(self) -> Iterator[Finding]:
        user = self.task.user
        facts = [*user.identity, *(fact for goal in user.goals for fact in goal.facts)]
        facts = [fact for fact in facts if fact.cues and fact.says]
        for place, turn in enumerate(self.turns):
            text = turn.content or ""
            if turn.seat != AGENT or turn.role != "assistant" or turn.tool_calls or "?" not in text:
                continue
            # A question for several things is right while one is open; one that names the value wants a yes to it.
            cued = [fact for fact in facts if asks_for(text, fact.cues)]
            asked = [fact for fact in cued if not mentions(text, fact.says)]
            if (
                asked
                and not (asks_to_confirm(text) or offers_more(text))
                and all(mentions(self.heard[place], fact.says) for fact in cued)
            ):
                yield Finding("asked_given", f"{asked[0].label}: {_short(text)}", place, False)
                return

    def _answer(self, call: ReplayedCall) -> str:
        after = self.turns[call.place + 1] if call.place + 1 < len(self.turns) else None
        return _short(after.content or "") if after is not None and after.role == "tool" else "never answered"


def _same(call: GoldCall, event: ReplayedCall) -> bool:
    return call.name == event.name and not _differing(call, event)


def _is(step: Call, event: ReplayedCall) -> bool:
    return step.name == event.name and not _differing(step, event)


def _differing(call: GoldCall | Call, event: ReplayedCall) -> list[str]:
    """The slots in which an event differs from the call; a slot that neither gives is equal."""
    slots = dict.fromkeys([*call.arguments, *event.arguments])
    return [slot for slot in slots if call.arguments.get(slot) != event.arguments.get(slot)]


def _call(name: str, arguments: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={_text(value)}' for key, value in arguments.items())})"


def _text(value: Any) -> str:
    # Not orjson, which writes no number of any size; tau2's tools take such ones.
    return _short(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 120 else f"{text[:119]}\N{HORIZONTAL ELLIPSIS}"
