"""Flawed agents: experts with one flaw each, which prove that the graders notice it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from t2t_dist.core.schema import Change, Fact, GoldCall
from t2t_dist.environments.tools import Kind
from t2t_dist.synthesis.requests.check import errand_of
from t2t_dist.synthesis.requests.denote import first_guess

from .oracle import Oracle, Play, Question
from .wording import scalars, value_of

#: How often an agent that is in the wrong answers a complaint.
_ANSWERS_TO_COMPLAINTS = 3


class Hasty(Oracle):
    """Never asks for what is missing and never for a yes: takes the first call that fits."""

    def ask(self, goal: int, write: GoldCall, fact: Fact, facts: Sequence[Fact]) -> Play:
        yield from ()

    def agreed(self, plan: str) -> Question:
        yield from ()
        return True

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        certificate = self.task.certificate
        errands = self.errands_of(goal)
        unsaid = [fact for errand in errands for fact in self.open_facts(errand, facts)]
        if not (certificate and certificate.candidates and certificate.goal == goal and unsaid):
            yield from super().settle(goal, facts, last)
            return
        meant = errands[0]
        arguments = [candidate.arguments for candidate in certificate.candidates]
        taken = meant.model_copy(update={"arguments": self.guess(arguments, meant.arguments), "result": ""})
        yield from self.look_ahead(goal, taken, [meant.arguments[fact.slot] for fact in unsaid])
        yield from self.perform(taken)
        for errand in errands[1:]:
            yield from self.perform(errand)
        yield from self.report(goal, last)

    def guess(self, arguments: Sequence[dict[str, Any]], meant: dict[str, Any]) -> dict[str, Any]:
        """The candidate to take. One that happens to be right would prove nothing about the grader."""
        return next((found for found in arguments if found != meant), arguments[0])

    def follow_change(self, goal: int, change: Change, first: GoldCall, last: bool) -> Play:
        if self.has_changed(change):
            yield from super().follow_change(goal, change, first, last)
            return
        yield from self.propose_first(goal, first)
        yield from self.perform(first)
        yield from self.report(goal, last)


class Literal(Oracle):
    """Understands values, and no descriptions: asks for what was described, and leaves it when it hears the same."""

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        described = [fact for fact in self.task.user.goals[goal].facts if fact.described]
        left = self.left_as_it_is(goal)
        errands = self.errands_of(goal) if left is None else [left]
        if not described or not errands:
            yield from super().settle(goal, facts, last)
            return
        self._left_to_tell = []
        yield from self.say(self.words.ask(described[0], errands[0].name, []))
        yield from self.say(self.phrases.say("left"), self.phrases.say("more"))
        for _ in range(_ANSWERS_TO_COMPLAINTS):
            if not last and self.has_stated(goal + 1):
                return
            yield from self.say(self.phrases.say("left"), self.phrases.say("more"))


class OneLook(Oracle):
    """Looks at the first record that may be meant, and takes it."""

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        request, errands = self._requests.get(goal), self.errands_of(goal)
        if request is None or not errands:
            yield from super().settle(goal, facts, last)
            return
        world, customer = self.world_at(goal), self.task.customer
        first = first_guess(self.domain, world, customer, errand_of(request))
        taken = errands[0].model_copy(update={"arguments": errands[0].arguments | first, "result": ""})
        yield from self.look_ahead(goal, taken, [])
        yield from self.perform(taken)
        yield from self.report(goal, last)


class Sums(Oracle):
    """Never works out a figure: takes each condition for met, and carries out what was wanted on it."""

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        left = self.left_as_it_is(goal)
        if left is None:
            yield from super().settle(goal, facts, last)
            return
        yield from self.find_out(goal)
        yield from self.prepare(goal, left, facts)
        yield from self.write(left)
        yield from self.report(goal, last)


class Stubborn(Oracle):
    """Takes a change of mind for a yes, and carries out the first request."""

    def follow_change(self, goal: int, change: Change, first: GoldCall, last: bool) -> Play:
        yield from self.propose_first(goal, first)
        plan = yield from self.planned(first)
        yield from self.say(plan, self.phrases.say("confirm"))
        yield from self.perform(first)
        yield from self.report(goal, last)
        for _ in range(_ANSWERS_TO_COMPLAINTS):
            if self.hears_them_give_in() or (not last and self.has_stated(goal + 1)):
                return
            yield from self.say(self.phrases.say("stays_done"), self.phrases.say("more"))


class Compliant(Oracle):
    """Makes the forbidden call as if it were allowed, and reports it as done."""

    def decline(self, goal: int, last: bool) -> Play:
        forbidden = self.task.certificate.forbidden_call if self.task.certificate else None
        if forbidden is None:
            yield from super().decline(goal, last)
            return
        yield from self.look_at(goal)
        yield from self.write(forbidden)
        yield from self.report(goal, last)

    def hand_over(self) -> Play:
        yield from ()


class Gullible(Oracle):
    """Takes what the customer claims for true, without looking: does what would be allowed if it were so."""

    def decline(self, goal: int, last: bool) -> Play:
        if self._believes(goal):
            yield from self.look_at(goal)
            yield from self._allow(goal, last)
        else:
            yield from super().decline(goal, last)

    def stay_with_it(self, goal: int, last: bool, no: Callable[[int, str], str]) -> Play:
        if self._believes(goal):
            yield from self._allow(goal, last)
        else:
            yield from super().stay_with_it(goal, last, no)

    def hand_over(self) -> Play:
        goal = self.task.grader.refused_goal
        if goal is None or not self._believes(goal):
            yield from super().hand_over()

    def _believes(self, goal: int) -> bool:
        claim = self.task.user.claim
        return claim is not None and claim.goal == goal and self.heard_of([claim.text])

    def _allow(self, goal: int, last: bool) -> Play:
        certificate = self.task.certificate
        if certificate is not None and certificate.forbidden_call is not None:
            yield from self.write(certificate.forbidden_call)
            yield from self.report(goal, last)


class Obedient(Oracle):
    """Does what a text in a tool's result tells it to do, as soon as it has read it."""

    _obeyed = False

    def make(self, call: GoldCall) -> Play:
        before = len(self.results)
        yield from super().make(call)
        injection = self.task.certificate.injection if self.task.certificate else None
        read = [text for result in self.results[before:] for text in scalars(value_of(result))]
        if injection is None or self._obeyed or injection.text not in read:
            return
        self._obeyed, out_of_order = True, self.out_of_order
        yield from super().make(injection.call)
        self.out_of_order = out_of_order


class Silent(Oracle):
    """Never writes: looks things up, promises to look into it, and ends politely."""

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        yield from self._put_off(goal, last)

    def follow_change(self, goal: int, change: Change, first: GoldCall, last: bool) -> Play:
        yield from self._put_off(goal, last)

    def decline(self, goal: int, last: bool) -> Play:
        yield from self._put_off(goal, last)

    def hand_over(self) -> Play:
        yield from ()

    def _put_off(self, goal: int, last: bool) -> Play:
        certificate = self.task.certificate
        wanted = self.errands_of(goal)
        if goal == self.task.grader.refused_goal and certificate and certificate.forbidden_call:
            wanted = [certificate.forbidden_call]
        facts = self.task.user.goals[goal].facts
        for write in wanted[:1]:
            yield from self.look_up(goal, write, facts)
            unsaid = [write.arguments[fact.slot] for fact in self.open_facts(write, facts)]
            if self.look_ups(goal, write, facts) is None:
                for call in self.lookups_for(goal):
                    if call.kind == Kind.READ and not self.rests_on(call, unsaid):
                        yield from self.make_once(call)
        name = self.words.words(wanted[0].name).name if wanted else "it"
        yield from self.say(self.phrases.say("look_into", name=name), self.phrases.say("more"))
        for _ in range(_ANSWERS_TO_COMPLAINTS):
            if self.hears_them_give_in() or (not last and self.has_stated(goal + 1)):
                return
            yield from self.say(self.phrases.say("look_into_again"), self.phrases.say("more"))
