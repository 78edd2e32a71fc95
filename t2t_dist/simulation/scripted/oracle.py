"""The oracle: an expert without a model that sees the gold and plays it in a proper dialogue.

It knows what is wanted, but acts and speaks by what it has heard and looked up: a figure, a date or an id that it says
stands in a message, a result or the policy (``core/known.py``).

The script is a generator: it yields a message (a string) or a call, and gets back the turn that followed, the
customer's answer or the tool's result. So every part below reads in the order in which it is played.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import orjson

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.known import Known
from t2t_dist.core.prompts.render import agent_prompt
from t2t_dist.core.schema import Change, Fact, GoldCall, Task, Turn
from t2t_dist.environments.base import Domain
from t2t_dist.environments.errands import expanded, is_valid_errand, requestor_of
from t2t_dist.environments.language import QuestionWords, Tell
from t2t_dist.environments.state import World
from t2t_dist.environments.tidy import within
from t2t_dist.environments.tool_faults import is_out_of_order, is_passing
from t2t_dist.environments.tool_noise import NoisyTool, without_note
from t2t_dist.environments.tools import Call, Kind, ToolSet
from t2t_dist.synthesis.bindings import Seen
from t2t_dist.synthesis.grader_side import errand_call, errands_in
from t2t_dist.synthesis.intents.changing import ASKED_TO_CONFIRM
from t2t_dist.synthesis.intents.parts import ADDED
from t2t_dist.synthesis.requests import fallbacks
from t2t_dist.synthesis.requests import language as lang
from t2t_dist.synthesis.requests.alternatives import figure_of, tell_of_best
from t2t_dist.synthesis.requests.check import errand_of, requests_of
from t2t_dist.synthesis.requests.conditions import tell_of
from t2t_dist.synthesis.requests.evaluate import Meaning, meaning_of
from t2t_dist.synthesis.requests.evaluate import value_of as evaluated
from t2t_dist.synthesis.requests.questions import addends, answer_text, questions_of
from t2t_dist.synthesis.requests.sequences import in_turn_of
from t2t_dist.synthesis.requests.shown import look_at
from t2t_dist.synthesis.tool_graph import graph_of
from t2t_dist.tau2.initial_world import world_of

from .offers import Offers
from .phrases import NUMBERS, Phrases, agent_acts, in_turn, tidy
from .wording import Wording, parsed, records, scalars, value_of

Move = str | Call
Play = Generator[Move, Turn, None]
#: A play that ends with the customer's yes or no.
Question = Generator[Move, Turn, bool]
#: A play that ends with a text to be said.
Draft = Generator[Move, Turn, str]
#: The tool with which amounts are worked out.
_CALCULATE = "calculate"
#: How often one thing is asked for before the agent continues without it.
_ASKED_AT_MOST = 3
#: How often a refusal is repeated to a customer who insists.
_FIRM_AT_MOST = 8
#: Share of answers that the agent gives thanks for.
_THANKS = 0.5
#: Nobody gives thanks for this.
_BAD_NEWS = re.compile(r"\b(?:lost|stolen|stole|broken?|damaged|died|ill|sick|accident)\b", re.I)
_SO = re.compile(r"\bso\b", re.I)


class Oracle:
    """An agent that authenticates, reads, asks for what is missing, proposes a plan, waits for a yes, writes, reports.

    Each subclass changes one thing, by overriding some of :meth:`settle`, :meth:`follow_changes`, :meth:`decline`,
    :meth:`ask`, :meth:`agreed` and :meth:`hand_over`.
    """

    def __init__(self, task: Task, domain: Domain, seed: int, offered: ToolSet | None = None) -> None:
        self.task, self.domain = task, domain
        #: The tools as tool faults make them; what it works out by itself, it works out with the domain's own.
        self.offered = offered or domain.tools
        self.phrases = Phrases(agent_acts(), random.Random(seed))
        self.known, self.seen = Known(agent_prompt(domain)), Seen()
        self.words = Wording(task, domain, self.phrases, self.known)
        self.offers = Offers(task, domain, self.words, self.seen)
        self.heard: list[str] = []
        #: Where in ``heard`` the customer said who they are.
        self._who_heard: set[int] = set()
        self._said = ""
        self.results: list[str] = []
        self.done: list[GoldCall] = []
        self._facts_said: list[str] = []
        self._left_to_tell = list(task.grader.communicate)
        self._prefix: list[str] = []
        self._thanks = ""
        self._made: set[bytes] = set()
        self._worlds: dict[int, World] = {}
        self._requests = requests_of(task.grader)
        self._meanings: dict[int, Meaning] = {}
        self._figures: dict[int, str] = {}
        self._found_out: set[int] = set()
        #: Where in ``heard`` the answer stands to the plan of what the customer may still change.
        self._plan_heard = sys.maxsize
        #: A tool fault: the last call's tool will not work again.
        self.out_of_order = False

    # -- the whole -----------------------------------------------------------------------------------------------------
    def play(self, opening: str) -> Play:
        """The whole conversation after the customer's first message. It never ends by itself: the customer leaves."""
        self.listen(opening)
        yield from self.authenticate()
        waiting = list(range(len(self.task.user.goals)))
        while waiting:
            goal = waiting.pop(0)
            if goal != self.task.grader.refused_goal:
                yield from self.serve(goal, last=not waiting)
                continue
            yield from self.decline(goal, last=not waiting)
            if self.task.grader.handling == "transfer":
                # The feasible goals come first: nothing can be done after the customer was handed over.
                while waiting:
                    other = waiting.pop(0)
                    yield from self.serve(other, last=not waiting)
                yield from self.hand_over()
        while True:
            yield from self.say(self.phrases.say("bye"))

    def authenticate(self) -> Play:
        """Identify the customer, asking for what the opening did not say."""
        entry = [call for call in self.task.grader.gold if call.goal < 0]
        ways = {tool.name for tool in self.domain.entry_tools}
        for call in entry:
            if call.name not in ways:
                yield from self.make(call)
                continue
            yield from self.ask_who(call)
            yield from self.make(call)
            for other in self.other_ways(call):
                if not self.out_of_order:
                    break
                yield from self.ask_who(other)
                yield from self.make(other)

    def ask_who(self, call: GoldCall) -> Play:
        """Ask for what an entry call needs until it has been said."""
        values, wrong = list(scalars(call.arguments)), self.as_misstated(call)
        for _ in range(_ASKED_AT_MOST):
            if self.heard_of(values):
                return
            if wrong is not None and self.heard_of(list(scalars(wrong.arguments))):
                yield from self.make(wrong)
                self._thanks = ""
                yield from self.say(self.words.not_found(wrong))
                wrong = None
            else:
                yield from self.say(self.words.ask_who(call))
            self._who_heard.add(len(self.heard) - 1)
            self.thank()

    def as_misstated(self, call: GoldCall) -> GoldCall | None:
        """An entry call with what the customer gets wrong about themselves; ``None``: it takes nothing of the kind."""
        mistake = self.task.user.mistake
        slots = {spec.name: slot for slot, spec in self.domain.tools[call.name].parameters.items()}
        if mistake is None or mistake.slot not in slots:
            return None
        return call.model_copy(update={"arguments": call.arguments | {slots[mistake.slot]: mistake.text}})

    def other_ways(self, call: GoldCall) -> Iterator[GoldCall]:
        """Entry calls other than the gold's that this customer can answer the questions for."""
        known = {fact.slot: fact.text for fact in self.task.user.identity}
        for tool in self.domain.entry_tools:
            if tool.name != call.name and tool.consumes() <= set(known):
                arguments = {name: known[spec.name] for name, spec in tool.parameters.items() if spec.name in known}
                yield GoldCall(name=tool.name, kind=tool.kind.value, arguments=arguments)

    def serve(self, goal: int, last: bool) -> Play:
        """Do one feasible goal and report."""
        certificate = self.task.certificate
        change = self.task.user.change
        if certificate and certificate.first_call and change and change.goal == goal:
            yield from self.follow_changes(
                goal, list(zip(certificate.given_up, self.task.user.changes, strict=False)), last
            )
        else:
            yield from self.settle(goal, self.task.user.goals[goal].facts, last)

    # -- one goal ------------------------------------------------------------------------------------------------------
    def settle(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        """Look up, ask, confirm, write, report."""
        request = self._requests.get(goal)
        if isinstance(request, lang.Tell):
            yield from self.answer(goal, last)
            return
        if isinstance(request, lang.Best):
            yield from self.choose(goal, request, last)
            return
        yield from self.find_out(goal)
        if request is not None and in_turn_of(request) is not None:
            yield from self.in_turn(goal, facts, last)
            return
        left, otherwise = self.left_as_it_is(goal), self.task.user.goals[goal].otherwise
        if left is not None and fallbacks.is_fallback(request):
            if not self.is_possible(goal, left):
                yield from self.look_ahead(goal, left, [])
                self._prefix.append(self.words.not_possible(self.world_at(goal), left))
            facts = otherwise.facts if otherwise is not None else facts
        elif left is not None:
            told = yield from self.weigh(goal, left, facts)
            if otherwise is None:
                self._facts_said = told
                yield from self.report(goal, last)
                return
            facts = otherwise.facts
        calls = self.calls_for(goal)
        errands = self.errands_of(goal)
        if any(errand.name in self.domain.workflows for errand in errands):
            for errand, steps in self.steps_of(goal, errands, calls):
                if errand is not errands[0] and errand.name == errands[0].name:
                    self._prefix.append(self.phrases.say("next_one"))
                yield from self.work_through(goal, errand, steps, facts)
                if self.out_of_order:
                    break
        else:
            for call in calls:
                if call.requestor is not None:
                    yield from self.guide(call)
                elif call.kind == Kind.WRITE:
                    yield from self.prepare(goal, call, facts)
                    yield from self.write(call)
                    if self.out_of_order:
                        break
                elif not errands or self.look_ups(goal, errands[0], facts) is None:
                    yield from self.read(goal, call, errands, facts)
        if self.out_of_order:
            yield from self.regret(goal, last)
        else:
            yield from self.report(goal, last)

    def find_out(self, goal: int) -> Play:
        """Look up what the customer describes without naming it, and say what that comes to."""
        if goal not in self._requests or goal in self._found_out:
            return
        self._found_out.add(goal)
        request, meaning = self._requests[goal], self.meaning(goal)
        for fact in self.rested_on(goal):
            errand = GoldCall(
                name=meaning.calls[0].name, kind=Kind.WRITE, arguments=meaning.calls[0].arguments, goal=goal
            )
            yield from self.ask(goal, errand, fact, self.task.user.goals[goal].facts)
        whole = meaning_of(self.domain, self.world_at(goal), self.task.customer, request)
        for call in [*meaning.look_ups, *whole.look_ups]:
            yield from self.make_once(GoldCall(name=call.name, kind=Kind.READ, arguments=call.arguments))
        if any(isinstance(value, lang.FirstThatWorks) for value in errand_of(request).arguments.values()):
            # What it costs decides what it is paid with.
            call = meaning.calls[0]
            yield from self.work_out(GoldCall(name=call.name, kind=Kind.WRITE, arguments=call.arguments, goal=goal))
        described = [fact for fact in self.task.user.goals[goal].facts if fact.described]
        self._prefix += [self.words.meant(fact, meaning.calls, place > 0) for place, fact in enumerate(described)]
        yield from self.recount(goal, len(meaning.calls))
        if (figure := self.figure_of(goal)) is not None:
            tell, value = figure
            self._figures[goal] = tidy(self.phrases.pick(tell.say, f"figure {goal}").format(value=value))
            self._prefix.append(self._figures[goal])
            if value in self._left_to_tell:
                self._left_to_tell.remove(value)

    def rested_on(self, goal: int) -> list[Fact]:
        """What the customer has left open and what they describe rests on: which order it is that "the payment method I
        used for it" is of."""
        request, facts = errand_of(self._requests[goal]), self.task.user.goals[goal].facts
        if not isinstance(request, lang.Do):
            return []
        described = [
            request.arguments[fact.slot] for fact in facts if fact.described and fact.slot in request.arguments
        ]
        named = [node.value for value in described for node in lang.nodes(value) if isinstance(node, lang.Given)]
        meant = self.meaning(goal).calls[0].arguments
        return [fact for fact in facts if fact.says and not self.has_said(fact) and meant.get(fact.slot) in named]

    def recount(self, goal: int, count: int) -> Play:
        """Say how many there are to a customer who has counted wrong, and hear whether all are meant."""
        miscount = self.task.user.miscount
        if miscount is not None and miscount.goal == goal:
            there_are, said, all_ = NUMBERS[count - 1], NUMBERS[miscount.said - 1], "both" if count == 2 else "all"
            yield from self.say(self.phrases.say("recount", count=there_are, said=said, all=all_))

    def figure_of(self, goal: int) -> tuple[Tell, str] | None:
        """The figure of a record that a goal's condition is about, with the words for it."""
        request = self._requests.get(goal)
        left = getattr(getattr(request, "condition", None), "left", None)
        if not isinstance(request, lang.If) or not isinstance(left, lang.FieldOf):
            return None
        tell, world, customer = tell_of(self.domain, request), self.world_at(goal), self.task.customer
        if tell is None:
            return None
        return tell, tell.shown(evaluated(self.domain, world, customer, left, look_at(self.domain, world, customer)))

    def meaning(self, goal: int) -> Meaning:
        """What the errand of a goal comes to, whatever its condition."""
        if goal not in self._meanings:
            errand = errand_of(self._requests[goal])
            self._meanings[goal] = meaning_of(self.domain, self.world_at(goal), self.task.customer, errand)
        return self._meanings[goal]

    def in_turn(self, goal: int, facts: Sequence[Fact], last: bool) -> Play:
        """What is not possible at once: see why, do first what the customer allows, then what they want."""
        errands, first = self.errands_of(goal), self.task.user.goals[goal].first
        wanted = errands[-1]
        yield from self.prepare(goal, wanted, facts)
        world, done = self.world_at(goal).fork(), self.world_at(goal)
        why = self.words.why_not(world, wanted)
        if isinstance(self._requests[goal], lang.Several):
            self._prefix.append(self.phrases.say("in_this_order"))
        else:
            self._prefix.append(self.phrases.say("not_at_once", reason=why) if why else self.phrases.say("not_yet"))
        for errand, steps in self.steps_of(goal, errands, self.calls_for(goal)):
            self._worlds[goal] = done.fork()
            if errand.name in self.domain.workflows:
                yield from self.work_through(goal, errand, steps, facts)
            else:
                yield from self.prepare(goal, errand, facts if errand is wanted else first.facts if first else [])
                yield from self.write(errand)
            if self.out_of_order:
                break
            done = done.fork()
            self.domain.carry_out(done, Call(errand.name, errand.arguments))
        self._worlds.pop(goal, None)
        if self.out_of_order:
            yield from self.regret(goal, last)
        else:
            yield from self.report(goal, last)

    def choose(self, goal: int, request: lang.Best, last: bool) -> Play:
        """Of two errands, the one that the customer wants: look both up, work both out, compare aloud, do that one."""
        world, customer, wanted = self.world_at(goal), self.task.customer, self.task.user.goals[goal]
        whole = meaning_of(self.domain, world, customer, request)
        for call in whole.look_ups:
            yield from self.make_once(GoldCall(name=call.name, kind=Kind.READ, arguments=call.arguments))
        rather = wanted.rather.facts if wanted.rather is not None else []
        both = list(zip(request.options, (wanted.facts, rather), strict=True))
        words, said, taken = tell_of_best(self.domain, request), list[str](), 0
        for place, (option, facts) in enumerate(both):
            call = meaning_of(self.domain, world, customer, option).calls[0]
            errand = GoldCall(name=call.name, kind=Kind.WRITE, arguments=call.arguments, goal=goal)
            new = [fact for fact in facts if fact.described and fact not in (wanted.facts if place else [])]
            new = [fact for fact in new if fact.text not in said]
            self._prefix += [self.words.meant(fact, [call], bool(said) or n > 0) for n, fact in enumerate(new)]
            said += [fact.text for fact in new]
            yield from self.prepare(goal, errand, facts)
            yield from self.work_out(errand)
            figure = figure_of(self.domain, world, customer, call, request.field)
            if words is not None and figure is not None:
                told = self.phrases.pick(words[0].would or words[0].say, f"would {goal}")
                sentence = tidy(told.format(value=words[0].shown(figure)))
                self._prefix.append(self.phrases.say(f"option_{place + 1}", told=within(sentence)))
            if whole.calls == [call]:
                taken = place
        self._prefix.append(self.phrases.say(f"take_{taken + 1}", which=self.words.turned(wanted.whichever or "")))
        for errand in self.errands_of(goal):
            yield from self.write(errand)
        if self.out_of_order:
            yield from self.regret(goal, last)
        else:
            yield from self.report(goal, last)

    def answer(self, goal: int, last: bool) -> Play:
        """A question about the customer's records: look up what it takes, and say what it comes to."""
        for call in self.lookups_for(goal):
            yield from self.make(call)
        asked = self.task.user.goals[goal].request
        words = next(one.words for one in questions_of(self.domain).values() if asked in one.words.ask)
        answer = self.answer_to(goal)
        yield from self.add_up(goal, words, answer)
        self._left_to_tell = self._left_to_tell[:-1]
        self._facts_said = [tidy(self.phrases.pick(words.say, f"answer {goal}").format(value=answer))]
        self._prefix += self._facts_said
        yield from self.report(goal, last)

    def add_up(self, goal: int, words: QuestionWords, answer: str) -> Play:
        """Add up the figures that a question is about: by a tool, or aloud where there is none for it."""
        request, world, customer = self._requests[goal], self.world_at(goal), self.task.customer
        if not isinstance(request, lang.Tell):
            return
        done = [Call(call.name, call.arguments) for call in errands_in(self.task.grader)]
        figures = addends(self.domain, customer, look_at(self.domain, world, customer), done, request)
        expression = " + ".join(f"{figure:.2f}" for figure in figures)
        if len(figures) < 2 or self.known.unseen(expression):
            return
        if _CALCULATE in self.domain.tools:
            yield from self.make(GoldCall(name=_CALCULATE, kind=Kind.GENERIC, arguments={"expression": expression}))
        else:
            aloud = " + ".join(answer_text(words, figure) for figure in figures)
            self._prefix.append(self.phrases.say("added_up", expression=aloud, value=answer))

    def answer_to(self, goal: int) -> str:
        """What a question comes to."""
        return self.task.grader.communicate[-1]

    def left_as_it_is(self, goal: int) -> GoldCall | None:
        """The errand of a goal whose condition does not hold."""
        request = self._requests.get(goal)
        if not isinstance(request, lang.If):
            return None
        call = self.meaning(goal).calls[0]
        if any(Call(errand.name, errand.arguments) == call for errand in self.errands_of(goal)):
            return None
        return GoldCall(name=call.name, kind=Kind.WRITE, arguments=call.arguments, goal=goal)

    def weigh(self, goal: int, call: GoldCall, facts: Sequence[Fact]) -> Generator[Move, Turn, list[str]]:
        """Work out the figure that a condition is about, and say that it does not hold; the sentences that give it."""
        yield from self.prepare(goal, call, facts)
        told = [self._figures[goal]] if goal in self._figures else []
        if not told:
            yield from self.work_out(call)
            tried = self.domain.execute(self.world_at(goal).fork(), Call(call.name, call.arguments))
            tried_call = call.model_copy(update={"result": tried.content})
            for fact, sentence in self.words.tells(tried_call, tried.value, is_done=False):
                told.append(sentence)
                self._prefix.append(sentence)
                if fact in self._left_to_tell:
                    self._left_to_tell.remove(fact)
        act = "unmet" if self.task.user.goals[goal].otherwise is None else "unmet_other"
        self._prefix.append(self.phrases.say(act, condition=self.words.turned(self.condition_of(goal))))
        return told

    def is_possible(self, goal: int, call: GoldCall) -> bool:
        """Whether an errand can be carried out when the goals before are."""
        errand = Call(call.name, call.arguments)
        return is_valid_errand(self.domain, self.world_at(goal), errand, self.task.customer)

    def condition_of(self, goal: int) -> str:
        return self.task.user.goals[goal].condition or ""

    def regret(self, goal: int, last: bool) -> Play:
        """A tool that is needed does not work: say so, and repeat it while the customer insists."""
        self.out_of_order = False
        self._thanks = ""
        yield from self.say(self.phrases.say("out_of_order"))
        yield from self.stay_with_it(goal, last, lambda *_: self.phrases.say("still_out_of_order"))

    def steps_of(
        self, goal: int, errands: Sequence[GoldCall], calls: Sequence[GoldCall]
    ) -> Iterator[tuple[GoldCall, list[GoldCall]]]:
        """The gold's calls for a goal, by the workflow that each is a step of or a look-up for."""
        world, left = self.world_at(goal).fork(), list(calls)
        for errand in errands:
            steps = expanded(self.domain, world, Call(errand.name, errand.arguments)) or []
            deeds = sum(
                self.domain.tools[s.name].kind is Kind.WRITE or requestor_of(self.domain, s.name) is not None
                for s in steps
            )
            own: list[GoldCall] = []
            while left and (deeds or errand is errands[-1]):
                own.append(left.pop(0))
                deeds -= own[-1].kind == Kind.WRITE or own[-1].requestor is not None
            yield errand, own

    def calls_for(self, goal: int) -> list[GoldCall]:
        """The gold's calls for a goal."""
        return [call for call in self.task.grader.gold if call.goal == goal]

    def errands_of(self, goal: int) -> list[GoldCall]:
        """The errands of a goal: its workflows, or its writes."""
        workflows = [errand_call(errand) for errand in self.task.grader.errands or () if errand.goal == goal]
        return workflows or [call for call in self.calls_for(goal) if call.kind == Kind.WRITE]

    def lookups_for(self, goal: int) -> list[GoldCall]:
        """The agent's own look-ups for a goal."""
        return [call for call in self.calls_for(goal) if call.kind != Kind.WRITE and call.requestor is None]

    def work_through(self, goal: int, errand: GoldCall, calls: Sequence[GoldCall], facts: Sequence[Fact]) -> Play:
        """A workflow: look up, ask, propose the plan, then go step by step with the customer."""
        steps, by_gold = list(calls), self.look_ups(goal, errand, facts) is None
        while steps and steps[0].kind != Kind.WRITE and steps[0].requestor is None:
            step = steps.pop(0)
            if by_gold:
                yield from self.read(goal, step, [errand], facts)
        yield from self.prepare(goal, errand, facts)
        if (yield from self.agreed((yield from self.planned(errand)))):
            yield from self.take_steps(errand, steps)
        else:
            self._prefix = [self.phrases.say("left")]

    def take_steps(self, errand: GoldCall, steps: Sequence[GoldCall]) -> Play:
        """The steps of a workflow that was agreed to; each later write needs a yes of its own."""
        for place, step in enumerate(steps):
            if step.requestor is not None:
                yield from self.guide(step)
            elif step.kind != Kind.WRITE:
                yield from self.make_once(step)
            elif place == 0:
                yield from self.carry_out(step)
            else:
                yield from self.prepare(step.goal, step, [])
                self._prefix.append(self.phrases.say("step_more"))
                yield from self.write(step)
            if self.out_of_order:
                return
        self._prefix = [*self._prefix, self.words.done(errand, {})]
        self._facts_said = []
        self.done.append(errand)

    def guide(self, step: GoldCall) -> Play:
        """Ask the customer to do something on a device of their own, and hear the result."""
        text = self.words.guide(step)
        for _ in range(_ASKED_AT_MOST):
            yield from self.say(text)
            self.thank()
            if not self.heard[-1].rstrip().endswith("?"):
                return

    def perform(self, errand: GoldCall) -> Play:
        """An errand that is not in the gold; its steps are worked out on a world where the goals before it are done."""
        if errand.name not in self.domain.workflows:
            yield from self.carry_out(errand)
            return
        steps = expanded(self.domain, self.world_at(errand.goal).fork(), Call(errand.name, errand.arguments)) or []
        kinds = [self.domain.tools[step.name].kind for step in steps]
        yield from self.take_steps(
            errand,
            [
                GoldCall(
                    name=step.name,
                    kind=kind,
                    arguments=step.arguments,
                    goal=errand.goal,
                    requestor=requestor_of(self.domain, step.name),
                )
                for step, kind in zip(steps, kinds, strict=True)
            ],
        )

    def prepare(self, goal: int, call: GoldCall, facts: Sequence[Fact]) -> Play:
        """Before a call, or a refusal of it: look up what what was said leads to, ask for what is missing, in turns."""
        for fact in self.open_facts(call, facts):
            yield from self.look_up(goal, call, facts)
            yield from self.ask(goal, call, fact, facts)
        yield from self.look_up(goal, call, [])

    def look_up(self, goal: int, call: GoldCall, facts: Sequence[Fact]) -> Play:
        for look_up in self.look_ups(goal, call, facts) or ():
            yield from self.make_once(look_up)

    def look_ups(self, goal: int, call: GoldCall, facts: Sequence[Fact]) -> list[GoldCall] | None:
        """What can be looked up for a call by what the customer has said so far; ``None`` where the domain does not
        say: then look-ups are the gold's."""
        unsaid = {fact.slot for fact in self.open_facts(call, facts)}
        said = Call(call.name, {slot: value for slot, value in call.arguments.items() if slot not in unsaid})
        found = self.domain.look_ups(self.world_at(goal), said, self.task.customer)
        return None if found is None else [GoldCall(name=c.name, kind=Kind.READ, arguments=c.arguments) for c in found]

    def world_at(self, goal: int) -> World:
        """The world after the goals before this one, as the gold leaves it. Not to be changed: fork it."""
        if goal not in self._worlds:
            self._worlds[goal] = world = world_of(self.domain, self.task)
            for call in self.task.grader.gold:
                if call.goal < goal and call.kind != Kind.READ:
                    self.domain.execute(world, Call(call.name, call.arguments))
        return self._worlds[goal]

    def read(self, goal: int, call: GoldCall, writes: Sequence[GoldCall], facts: Sequence[Fact]) -> Play:
        """A look-up of the gold's; the facts that it rests on are asked for first."""
        if key_of(call) in self._made:
            return
        for write in writes:
            for fact in self.open_facts(write, facts):
                if self.names_unseen(call) or self.rests_on(call, write.arguments[fact.slot]):
                    yield from self.ask(goal, write, fact, facts)
        yield from self.make(call)

    def ask(self, goal: int, write: GoldCall, fact: Fact, facts: Sequence[Fact]) -> Play:
        """Ask for one fact until it has been said."""
        for _ in range(_ASKED_AT_MOST):
            if self.has_said(fact):
                return
            open_slots = {other.slot for other in self.open_facts(write, facts)}
            options = self.offers.options(fact, goal, write, open_slots, self.has_read)
            yield from self.say(self.words.ask(fact, write.name, options))
            self.thank()

    def write(self, call: GoldCall) -> Play:
        """Say what will be done, wait for a yes, do it."""
        if (yield from self.agreed((yield from self.planned(call)))):
            yield from self.carry_out(call)
        else:
            self._prefix = [self.phrases.say("left")]

    def planned(self, call: GoldCall) -> Draft:
        """What will be done, in words, with the amount that moves."""
        amount = yield from self.work_out(call)
        return self.words.plan(call, self.world_at(call.goal), amount)

    def work_out(self, call: GoldCall) -> Generator[Move, Turn, float | None]:
        """The amount that a call moves, calculated from what was looked up; ``None`` where it can't be."""
        world = self.world_at(call.goal)
        expression = self.domain.calculation(world, Call(call.name, call.arguments), self.task.customer)
        if not expression or _CALCULATE not in self.domain.tools or self.known.unseen(expression):
            return None
        work = GoldCall(name=_CALCULATE, kind=Kind.GENERIC, arguments={"expression": expression})
        amount = float(self.domain.execute(world, Call(work.name, work.arguments)).value)
        if amount and not self.known.has_amount(amount):
            yield from self.make(work)
        return amount

    def agreed(self, plan: str) -> Question:
        """Propose a plan to the customer; whether they said yes."""
        yield from self.say(plan, self.phrases.say("confirm"))
        for _ in range(_ASKED_AT_MOST - 1):
            if self.hears_yes():
                break
            yield from self.say(self.phrases.say("confirm_again"))
        return self.hears_yes()

    def carry_out(self, call: GoldCall) -> Play:
        """Make the write, and prepare what to say about it afterwards."""
        yield from self.make(call)
        if self.out_of_order:
            return
        result = parsed(self.results[-1])
        self._prefix = [*self._prefix, self.words.done(call, result)]
        self._facts_said = []
        for fact, sentence in self.words.tells(call, result):
            self._facts_said.append(sentence)
            if fact in self._left_to_tell:
                self._left_to_tell.remove(fact)
        self._prefix += self._facts_said
        self.done.append(call)

    def report(self, goal: int, last: bool) -> Play:
        """Say what was done, and ask whether there is more, unless the customer has stated the next goal already."""
        if last:
            self._prefix += [self.phrases.say("fact", value=fact) for fact in self._left_to_tell]
            self._left_to_tell = []
        elif self.has_stated(goal + 1):
            return
        yield from self.say(self.phrases.say("more"))
        if last and self._facts_said and speech.asks_anything(self.heard[-1]):
            yield from self.say(*self._facts_said, self.phrases.say("more"))

    # -- a change of mind ----------------------------------------------------------------------------------------------
    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
        """Propose each request that the customer gives up; once they change it, drop it; do what they want in the end.

        ``changes``: what they want at first, or by then, and what they change it to.
        """
        for wanted, change in changes:
            if not self.has_changed(change) and (yield from self.is_taken(goal, wanted, change)):
                # They did not change their mind, so what they asked for is carried out.
                yield from self.perform(wanted)
                yield from self.report(goal, last)
                return
            self._plan_heard = sys.maxsize
            self._prefix, self._thanks = [self.phrases.say("added" if change.part == ADDED else "changed")], ""
        yield from self.settle(goal, changed_facts(self.task.user.goals[goal].facts, changes[-1][1]), last)

    def is_taken(self, goal: int, wanted: GoldCall, change: Change) -> Question:
        """Propose what the customer is about to change; whether they say yes to it, and do not change it."""
        yield from self.find_out(goal)
        yield from self.propose_first(goal, wanted)
        plan = yield from self.planned(wanted)
        self._plan_heard = len(self.heard)
        yield from self.say(plan, self.phrases.say("confirm"))
        if self.has_changed(change):
            return False
        if self.hears_yes():
            return True
        plan = yield from self.planned(wanted)
        return (yield from self.agreed(plan)) and not self.has_changed(change)

    def propose_first(self, goal: int, first: GoldCall) -> Play:
        """The look-ups of the first request."""
        before = set(scalars(first.arguments))
        later = [v for errand in self.errands_of(goal) for v in scalars(errand.arguments) if v not in before]
        yield from self.look_ahead(goal, first, later)

    def look_ahead(self, goal: int, call: GoldCall, unsaid: Sequence[Any]) -> Play:
        """The look-ups for a call that is not the gold's. By default those of the gold that don't rest on values that
        were not said, and of the records that the call names."""
        found = self.look_ups(goal, call, [])
        for look_up in self.lookups_for(goal) if found is None else found:
            if found is not None or not (self.names_unseen(look_up) or self.rests_on(look_up, unsaid)):
                yield from self.make_once(look_up)
        for look_up in self.lookups(call) if found is None else ():
            yield from self.make_once(look_up)

    def has_changed(self, change: Change) -> bool:
        """Whether the customer has said what they want instead."""
        if any(speech.normalised(change.request) in speech.normalised(text) for text in self.heard):
            return True
        changes, goal = self.task.user.changes, self.task.user.goals[change.goal]
        earlier = [goal.facts, *(one.facts for one in changes[: changes.index(change)])]
        before = {say for facts in earlier for fact in facts for say in fact.says}
        new = [say for fact in change.facts if fact.stated for say in fact.says if say not in before]
        # What was said before its time is about something else, such as who they are.
        since = self._plan_heard
        if change.trigger != ASKED_TO_CONFIRM:
            asked = (n for n, text in enumerate(self.heard, 1) if speech.mentions(text, [goal.request]))
            since = next(asked, 0)
        return bool(new) and speech.mentions("\n".join(self.heard[since:]), new)

    # -- what is forbidden ---------------------------------------------------------------------------------------------
    def decline(self, goal: int, last: bool) -> Play:
        """Look things up, put the refusal on record, give the rule's reason and what else is possible."""
        yield from self.find_out(goal)
        yield from self.look_at(goal)
        forbidden = self.task.certificate.forbidden_call if self.task.certificate else None
        if forbidden and self.known.unseen(self.words.reason):
            yield from self.work_out(forbidden)
        for call in self.calls_for(goal):
            if call.kind == Kind.RECORD and call.name != self.domain.transfer_tool:
                yield from self.make(call)
        self._thanks = ""  # thanks just before a no would sound like mockery
        if self.task.grader.handling == "transfer" or forbidden is None or self.words.settled:
            yield from self.say(self.words.refusal())
        else:
            possible = self.offers.alternatives(self.world_at(goal), forbidden)
            yield from self.say(self.words.refusal(), self.words.possible(possible))
        if self.task.grader.handling != "transfer":
            yield from self.stay_with_it(goal, last, self.words.stand_firm)

    def stay_with_it(self, goal: int, last: bool, no: Callable[[int, str], str]) -> Play:
        """Say no again while the customer insists; ``no`` gets how often it was said, and what they say to it."""
        for times in range(_FIRM_AT_MOST):
            if (not last and self.has_stated(goal + 1)) or self.hears_them_give_in():
                return
            yield from self.say(no(times, self.heard[-1]), self.phrases.say("more_later"))

    def look_at(self, goal: int) -> Play:
        """The look-ups for a goal that will be refused; missing facts are asked for as for any other goal."""
        forbidden = self.task.certificate.forbidden_call if self.task.certificate else None
        facts = self.task.user.goals[goal].facts
        if forbidden is None or self.look_ups(goal, forbidden, facts) is None:
            for call in self.calls_for(goal):
                if call.kind == Kind.READ:
                    yield from self.read(goal, call, [forbidden] if forbidden else [], facts)
        if forbidden is not None:
            yield from self.prepare(goal, forbidden, facts)

    def hand_over(self) -> Play:
        tool = self.domain.tools[self.domain.transfer_tool]
        arguments = {slot: self.words.summary(self.done) for slot in list(tool.parameters)[:1]}  # some take nothing
        yield from self.make(GoldCall(name=tool.name, kind=tool.kind, arguments=arguments))
        yield from self.say(self.phrases.say("handed_over"))

    # -- the moves -----------------------------------------------------------------------------------------------------
    def say(self, *parts: str) -> Play:
        """One message, prepared sentences first. The answer is in ``heard[-1]`` afterwards."""
        text = in_turn(_so_once([self._thanks, *self._prefix, *parts]))
        self._prefix, self._thanks = [], ""
        self.known.add(text)
        self._said = text
        answer = yield text
        self.listen(answer.content or "")

    def listen(self, text: str) -> None:
        self.heard.append(text)
        self.known.add(text)

    def hears_yes(self) -> bool:
        """Whether the last answer says yes to the last message."""
        return bool(speech.says_yes(self.heard[-1], self._said))

    def hears_them_give_in(self) -> bool:
        """Whether the last answer accepts the last message's no, or has nothing more to ask."""
        return bool(speech.gives_in(self.heard[-1], self._said))

    def make(self, call: GoldCall) -> Play:
        """One call, repeated where that may help; its result is the last of ``results`` afterwards, but for what else
        had to be looked up to see it whole."""
        self._made.add(key_of(call))
        result = yield Call(call.name, call.arguments)
        if result.error and is_passing(result.content or ""):
            result = yield Call(call.name, call.arguments)
        self.learn(call, result.content or "")
        self.out_of_order = result.error and is_out_of_order(result.content or "")
        tool = self.offered.get(call.name)
        if isinstance(tool, NoisyTool) and not result.error:
            yield from self.look_closely(tool, call, result.content or "")

    def look_closely(self, tool: NoisyTool, call: GoldCall, content: str) -> Play:
        """Make the calls that show what this one did not, or not as it is."""
        for more in tool.more(call.arguments, content):
            yield from self.make_once(GoldCall(name=more.name, kind=Kind.READ, arguments=more.arguments))

    def learn(self, call: GoldCall, content: str) -> None:
        """Take in the result of a call."""
        self.results.append(content)
        self.known.add(content)
        if (tool := self.domain.tools.get(call.name)) is not None:
            self.seen.add_once_needed(lambda: tool.found(value_of(without_note(content)), call.arguments))

    def make_once(self, call: GoldCall) -> Play:
        if key_of(call) not in self._made:
            yield from self.make(call)

    def thank(self) -> None:
        if self.phrases.rng.random() < _THANKS and not _BAD_NEWS.search(self.heard[-1]):
            self._thanks = self.phrases.say("noted")

    # -- what is known -------------------------------------------------------------------------------------------------
    def has_read(self, name: str, arguments: dict[str, Any]) -> bool:
        """Whether this look-up has been made."""
        return key_of(GoldCall(name=name, kind=Kind.READ, arguments=arguments)) in self._made

    def heard_of(self, says: Sequence[str]) -> bool:
        return speech.mentions("\n".join(self.heard), says)

    def has_said(self, fact: Fact) -> bool:
        """Whether the customer has said a fact. Who they are does not answer what they left open: who is to fly."""
        if fact.stated:
            return self.heard_of(fact.says)
        heard = (text for place, text in enumerate(self.heard) if place not in self._who_heard)
        return bool(speech.mentions("\n".join(heard), fact.says))

    def open_facts(self, write: GoldCall, facts: Sequence[Fact]) -> list[Fact]:
        """Facts that the write needs and the customer has not said yet, in the order of its arguments."""
        by_slot = {fact.slot: fact for fact in facts if fact.says and not self.has_said(fact)}
        return [by_slot[slot] for slot in write.arguments if slot in by_slot]

    def has_stated(self, goal: int) -> bool:
        """Whether the customer has already stated a later goal."""
        wanted = self.task.user.goals[goal]
        if any(speech.normalised(wanted.request) in speech.normalised(text) for text in self.heard):
            return True
        user = self.task.user
        beside = [one for other in user.goals[:goal] for one in (other.otherwise, other.first, other.rather) if one]
        before = [one.facts for one in (*user.goals[:goal], *user.changes, *beside)]
        earlier = {say for facts in before for fact in facts for say in fact.says}
        # "E-mail" is mentioned in "my e-mail address has changed", which says nothing of how to send a bill.
        earlier.update(one.request for one in (*user.goals[:goal], *user.changes, *beside))
        said = [say for fact in wanted.facts if fact.stated for say in fact.says]
        # "My latest order" is mentioned in "my latest order with the lamp", too.
        news = [say for say in said if not any(speech.mentions(text, [say]) for text in earlier)]
        return bool(news) and self.heard_of(said)

    def names_unseen(self, call: GoldCall) -> bool:
        """Whether a call has an argument that nobody has said and no result has shown."""
        return bool(self.known.unseen("; ".join(scalars(call.arguments))))

    def rests_on(self, call: GoldCall, value: Any) -> bool:
        """Whether choosing this look-up takes knowing ``value``: it names the value itself, or something that a record
        seen so far holds beside it."""
        asked, meant = set(scalars(call.arguments)), set(scalars(value))
        if asked & meant:
            return True
        return any(asked & record and meant & record for content in self.results for record in records(content))

    def lookups(self, call: GoldCall) -> Iterator[GoldCall]:
        """Look-ups of the records that a call names."""
        graph = graph_of(self.domain)
        errand = self.domain.errand(call.name)
        for slot, spec in errand.parameters.items() if errand else ():
            detail = graph.detail_tool(spec.name) if spec.kind == "scalar" else None
            if detail is not None and slot in call.arguments:
                yield GoldCall(
                    name=detail.name, kind=detail.kind, arguments={next(iter(detail.parameters)): call.arguments[slot]}
                )


def changed_facts(facts: Sequence[Fact], change: Change) -> list[Fact]:
    """The facts of a goal after the customer's change of mind."""
    slots = {fact.slot for fact in change.facts}
    return [*change.facts, *(fact for fact in facts if fact.slot not in slots)]


def _so_once(parts: Sequence[str]) -> Iterator[str]:
    """The parts of a message; of a plan after another "so", its own is dropped."""
    said = False
    for part in parts:
        yield part.removeprefix("So ") if said else part
        said = said or _SO.search(part) is not None


def key_of(call: GoldCall) -> bytes:
    return orjson.dumps([call.name, call.arguments], option=orjson.OPT_SORT_KEYS)
