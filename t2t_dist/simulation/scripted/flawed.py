"""Flawed agents: experts with one flaw each, which prove that the graders notice it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from t2t_dist.core.schema import Change, Fact, GoldCall
from t2t_dist.environments.language import QuestionWords
from t2t_dist.environments.tool_noise import NoisyTool
from t2t_dist.environments.tools import Call, Kind, ToolSet
from t2t_dist.synthesis.grader_side import errand_call, errands_in, fact_text
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.check import errand_of
from t2t_dist.synthesis.requests.denote import first_guess
from t2t_dist.synthesis.requests.evaluate import Meaning, NoMeaning, meaning_of
from t2t_dist.synthesis.requests.outcomes import figures_in

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
        if not (certificate and certificate.parts.get("ambiguous") == goal and unsaid):
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

    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
        wanted = next((call for call, change in changes if not self.has_changed(change)), None)
        if wanted is None:
            yield from super().follow_changes(goal, changes, last)
            return
        yield from self.propose_first(goal, wanted)
        yield from self.perform(wanted)
        yield from self.report(goal, last)


class Literal(Oracle):
    """Understands values, no descriptions and no second choices: asks for what was described, and leaves it when it
    hears the same."""

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        yield from self._give_up(goal, last) if self._is_lost(goal) else super().settle(goal, facts, last)

    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
        yield from self._give_up(goal, last) if self._is_lost(goal) else super().follow_changes(goal, changes, last)

    def decline(self, goal: int, last: bool) -> Play:
        yield from self._give_up(goal, last) if self._is_lost(goal) else super().decline(goal, last)

    def _is_lost(self, goal: int) -> bool:
        wanted = self.task.user.goals[goal]
        depends = wanted.first is not None or wanted.rather is not None or self._has_choice(goal)
        return depends or any(fact.described for fact in wanted.facts)

    def _has_choice(self, goal: int) -> bool:
        """Whether what is wanted depends on what is possible."""
        otherwise = self.task.user.goals[goal].otherwise
        return otherwise is not None and otherwise.clause is not None

    def _give_up(self, goal: int, last: bool) -> Play:
        facts = self.task.user.goals[goal].facts
        asked = next((fact for fact in facts if fact.described), facts[0])
        self._left_to_tell = []
        yield from self.say(self.words.ask(asked, self.meaning(goal).calls[0].name, []))
        yield from self.say(self.phrases.say("left"), self.phrases.say("more"))
        for _ in range(_ANSWERS_TO_COMPLAINTS):
            if not last and self.has_stated(goal + 1):
                return
            yield from self.say(self.phrases.say("left"), self.phrases.say("more"))


class OneLook(Oracle):
    """Looks at the first record that may be meant, and takes it."""

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        is_there = goal in self._requests and not isinstance(self._requests[goal], lang.Tell) and self.errands_of(goal)
        yield from self._take_first(goal, last) if is_there else super().settle(goal, facts, last)

    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
        if goal in self._requests:
            yield from self._take_first(goal, last)
        else:
            yield from super().follow_changes(goal, changes, last)

    def decline(self, goal: int, last: bool) -> Play:
        yield from self._take_first(goal, last) if goal in self._requests else super().decline(goal, last)

    def _take_first(self, goal: int, last: bool) -> Play:
        meant = self.meaning(goal).calls[0]
        first = first_guess(self.domain, self.world_at(goal), self.task.customer, errand_of(self._requests[goal]))
        taken = GoldCall(name=meant.name, kind=Kind.WRITE, arguments=meant.arguments | first, goal=goal)
        yield from self.look_ahead(goal, taken, [])
        yield from self.perform(taken)
        yield from self.report(goal, last)


class Sums(Oracle):
    """Never works out a figure: takes each condition for met, and carries out what was wanted on it; says one result
    where several are to be added up; of two errands takes the one that is not right, because one that happens to be
    would prove nothing."""

    def add_up(self, goal: int, words: QuestionWords, answer: str) -> Play:
        yield from ()

    def answer_to(self, goal: int) -> str:
        request = self._requests[goal]
        done = [Call(call.name, call.arguments) for call in errands_in(self.task.grader)]
        figures = figures_in(self.domain, done, request) if isinstance(request, lang.Tell) else []
        return fact_text(figures[-1]) if figures else super().answer_to(goal)

    def choose(self, goal: int, request: lang.Best, last: bool) -> Play:
        world, customer, rather = self.world_at(goal), self.task.customer, self.task.user.goals[goal].rather
        right = meaning_of(self.domain, world, customer, request).calls
        both = zip(request.options, (self.task.user.goals[goal].facts, rather.facts if rather else []), strict=True)
        for option, facts in both:
            (call,) = meaning_of(self.domain, world, customer, option).calls
            if [call] != right:
                taken = GoldCall(name=call.name, kind=Kind.WRITE, arguments=call.arguments, goal=goal)
                yield from self.prepare(goal, taken, facts)
                yield from self.write(taken)
        yield from self.report(goal, last)

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        left = self.left_as_it_is(goal)
        if left is None:
            yield from super().settle(goal, facts, last)
            return
        yield from self.find_out(goal)
        yield from self.prepare(goal, left, facts)
        if left.name in self.domain.workflows:
            yield from self.perform(left)
        else:
            yield from self.write(left)
        yield from self.report(goal, last)


class Skimmer(Oracle):
    """Takes what a tool shows at first for all there is, and for true, and the first tool that looks right: turns no
    page, never looks twice, and is content with a look-alike that answers."""

    def make(self, call: GoldCall) -> Play:
        for tool in self.offered:
            if tool.name not in self.domain.tools and tool.name.startswith(f"{call.name}_"):
                result = yield Call(tool.name, call.arguments)
                if not result.error:
                    self.learn(call, result.content or "")
                    return
        yield from super().make(call)

    def look_closely(self, tool: NoisyTool, call: GoldCall, content: str) -> Play:
        yield from ()

    def as_shown(self, goal: int, request: lang.Node) -> Meaning | None:
        """What a request comes to by what its tools show at first; ``None``: to nothing."""
        domain = self.domain.variant({})
        domain.tools = ToolSet(self.offered)
        done = [Call(call.name, call.arguments) for call in errands_in(self.task.grader)]
        try:
            return meaning_of(domain, self.world_at(goal), self.task.customer, request, done=done)
        except NoMeaning:
            return None

    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        request, errands = self._requests.get(goal), self.errands_of(goal)
        if request is None or not errands or isinstance(request, lang.Tell):
            yield from super().settle(goal, facts, last)
            return
        meaning = self.as_shown(goal, errand_of(request))
        if meaning is not None and meaning.calls[:1] == self.meaning(goal).calls[:1]:
            yield from super().settle(goal, facts, last)
            return
        if meaning is None or not meaning.calls:
            self._prefix = [self.phrases.say("left")]
        else:
            first = meaning.calls[0]
            taken = GoldCall(name=first.name, kind=Kind.WRITE, arguments=first.arguments, goal=goal)
            yield from self.look_ahead(goal, taken, [])
            yield from self.perform(taken)
        yield from self.report(goal, last)

    def answer_to(self, goal: int) -> str:
        meaning = self.as_shown(goal, self._requests[goal])
        return super().answer_to(goal) if meaning is None else fact_text(meaning.facts[-1])


class _Insisting(Oracle):
    """Stays with what it has once proposed."""

    def insist_on(self, goal: int, wanted: GoldCall, last: bool) -> Play:
        """Propose this, carry it out whatever the answer, and stay with it."""
        yield from self.propose_first(goal, wanted)
        plan = yield from self.planned(wanted)
        yield from self.say(plan, self.phrases.say("confirm"))
        yield from self.perform(wanted)
        yield from self.report(goal, last)
        for _ in range(_ANSWERS_TO_COMPLAINTS):
            if self.hears_them_give_in() or (not last and self.has_stated(goal + 1)):
                return
            yield from self.say(self.phrases.say("stays_done"), self.phrases.say("more"))


class Stubborn(_Insisting):
    """Takes a change of mind for a yes, and carries out the first request."""

    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
        yield from self.insist_on(goal, changes[0][0], last)


class OneChange(_Insisting):
    """Follows the first change of mind, and takes a second one for a yes."""

    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
        first, change = changes[0]
        if len(changes) == 1:
            yield from super().follow_changes(goal, changes, last)
            return
        if not self.has_changed(change):
            yield from self.propose_first(goal, first)
            plan = yield from self.planned(first)
            yield from self.say(plan, self.phrases.say("confirm"))
        self._prefix, self._thanks = [self.phrases.say("changed")], ""
        yield from self.insist_on(goal, changes[1][0], last)


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
    """Takes what the customer claims for true, without looking: does what would be allowed if it were so, and for as
    many records as they speak of."""

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

    def recount(self, goal: int, count: int) -> Play:
        yield from ()

    def calls_for(self, goal: int) -> list[GoldCall]:
        calls, most = super().calls_for(goal), self._counted(goal)
        if most is None:
            return calls
        workflows = [errand_call(errand) for errand in self.task.grader.errands or () if errand.goal == goal]
        if workflows:
            return [call for _, own in list(self.steps_of(goal, workflows, calls))[:most] for call in own]
        writes = [place for place, call in enumerate(calls) if call.kind == Kind.WRITE]
        return calls[: writes[most]] if most < len(writes) else calls

    def errands_of(self, goal: int) -> list[GoldCall]:
        return super().errands_of(goal)[: self._counted(goal)]

    def _counted(self, goal: int) -> int | None:
        """How many records a goal is about by what the customer says; ``None``: they do not count them wrong."""
        miscount = self.task.user.miscount
        return miscount.said if miscount is not None and miscount.goal == goal else None

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

    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
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
