"""The scripted user: a customer without a model, driven by goals, from a task's user side and a seed only."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import orjson

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.schema import STOP, TRANSFER, Claim, Fact, Otherwise, ToolCall, Turn, UserSide
from t2t_dist.environments.tidy import within
from t2t_dist.environments.tools import Call, Tool
from t2t_dist.synthesis.intents.parts import ADDED, TAKEN_BACK

from ..players import UserPlayer
from .device import Devices, results_in_words
from .phrases import NUMBERS, Phrases, in_turn, user_acts
from .plans import Plans

#: Answers in a row without progress before the customer leaves.
PATIENCE = 6
#: How often the customer says that what they asked for has not been done, or is not what they asked for.
_REMINDERS = 2
#: Share of customers who ask their questions along with the request; the others ask with their next answer.
_ASKS_AT_ONCE = 0.75
#: Questions about who the customer is, beyond the cues of what this one knows.
_WHO_BY_NAME = (
    "e-mail", "email", "mail address", "full name", "first name", "last name", "your name", "surname", "zip",
    "postal code", "postcode", "user id", "user name", "username", "customer id", "customer number", "account number",
    "account id", "phone number", "date of birth",
)  # fmt: skip
_NAMES = ("first name", "last name")
#: A question about all that was done.
_SUMS_UP = re.compile(r"\b(?:altogether|together|in all|in total)\b", re.I)
#: Questions for their name, which every customer can answer.
_OWN_NAME = (
    "your name",
    "full name",
    "who am i speaking",
    "who i am speaking",
    "who i'm speaking",
    "whom am i speaking",
)
_WHO = (
    *_OWN_NAME[2:],
    "identify you", "identify yourself", "your identity", "who you are", "verify you", "find your account",
    "locate your account", "whose account", "look up your account", "pull up your account",
)  # fmt: skip
#: What an agent says whom a customer's own data have led to nobody.
_NOT_FOUND = re.compile(
    r"(?:\bnot|n't|\bno|\bnothing|\bunable|\bcannot)\b[^.?!]{0,60}\b(?:f[io]nd|found|locate|match\w*|account|records?|customer"
    r"|comes? up|up with)\b|\b(?:double-?check|check (?:it|that|the|your)|once more|(?:try|tell me) again)\b",
    re.I,
)
_ABOUT_MONEY = re.compile(r"\b(?:how much|amount|money|refund|pay|cost|price|charge|get back)", re.I)
#: The answer to "how many".
_FIGURE = re.compile(r"\d|\b(?:none|no|one|two|three|four|five|six|seven|eight|nine|ten) of\b", re.I)
_MONEY = re.compile(r"\d[.,]\d\d\b")
#: A number that is no part of an id or a date.
_NUMBER = re.compile(r"(?<![\w#./-])\d+(?:[.,]\d+)*(?![\w/-])")
_SMALL = rf"(?:{'|'.join(NUMBERS)}|[1-9](?![.,]?\d))"
#: How many there are, in an agent's words: "you have three", "three of them", "all four".
_COUNTED = re.compile(
    r"\b(?:there(?: are|'re| is)|you(?: (?:only|just|actually))?(?: have|'ve)|i (?:can )?(?:see|find|found|count)|all)"
    rf"(?: (?:got|only|just|actually|these|the))* ({_SMALL})\b|\b({_SMALL}) of (?:them|these|those)\b",
    re.I,
)
#: An id, of those that an agent lists.
_LISTED = re.compile(r"[#\w-]*\d[\w-]{2,}")
_ALTERNATIVE = re.compile(r"\b(?:instead|alternatively|alternative|another option|other option)", re.I)

#: What is offered with a refusal: it is declined before they insist.
_OFFERED = re.compile(r"\b(?:would be possible|would work|could do|can offer|is possible) ", re.I)
#: A sentence about what is left out: "the lamp stays as it is".
_LEFT = re.compile(r"\b(?:keep|stays?|left|leave|leaving|without|not|no longer|out of)\b|n't\b", re.I)
#: What is said once in a message.
_ONCE = tuple(
    re.compile(rf"\b{word}", re.I) for word in ("thank", "then\\b", "understood", "i see", "okay", "fine", "all right")
)
#: Letters of a word that strikes when it comes again: "I need this sorted out. I need that sorted."
_LONG = 6
#: How often other words are drawn where two parts of a message say the same.
_DRAWS = 8
#: A question that asks for a favour, so that one says "of course" to it: not "which one would you like?".
_FAVOUR = re.compile(
    r"\b(?:(?:could|can|would|will) you (?:please |kindly )?(?:tell|give|name|spell|say|share|let|confirm|provide|mind)"
    r"|(?:may|could|can|might) i (?:please )?(?:ask|have|get|know))\b",
    re.I,
)
#: An answer that has words of its own before it.
_OPENED = re.compile(
    r"(?:well|honestly|to be honest|frankly|simply|yes|no|(?:(?:it|that)'s )?because|the reason)\b", re.I
)


class ScriptedUser(UserPlayer):
    """A customer that states what it may, answers questions, changes its mind at the trigger, insists, then gives in.

    Args:
        side: all it knows. It never sees the grader's side, the agent's tools or their results.
        seed: decides the wordings, and when its questions come.
        devices: its own devices, which it uses when the agent asks it to.
        plans: its sense of what it asked for; without, it takes any plan for its own that does not name its values.
    """

    name = "scripted"

    def __init__(self, side: UserSide, seed: int, devices: Devices | None = None, plans: Plans | None = None) -> None:
        self.side, self._plans = side, plans
        rng = random.Random(seed)
        self._phrases = Phrases(user_acts(side.persona), rng)
        self._asks_at_once = rng.random() < _ASKS_AT_ONCE
        self._at = -1
        self._identified = 0
        #: Their changes of mind that are still to come, and what they asked for before each that was said.
        self._to_change = list(side.changes)
        self._earlier: list[str] = []
        self._part: str | None = None
        self._announced = self._postponed = False
        self._mistaken = self._corrected = self._recounted = False
        self._claimed = 0
        self._idle = 0
        self._progress = self._left_be = False
        self._before = ""
        self._money_heard = False
        self._devices = devices
        self._to_do: list[Call] = []
        self._results: list[tuple[Call, Turn]] = []
        self._calling: Call | None = None
        self._guided = False
        self._unclear: list[Tool] = []
        self._calls = 0
        self._begin_goal(0)

    async def reply(self, turns: list[Turn]) -> Turn:
        """The customer's answer to the agent's last message, or the next call on a device of their own."""
        if self._calling is not None:
            self._results.append((self._calling, turns[-1]))
            self._calling = None
        if self._results and not self._to_do:
            return Turn(seat="user", role="user", content=self._report())
        said = (t.content for t in reversed(turns) if t.role == "assistant" and t.content and not t.tool_calls)
        heard = next(said, "")
        if not self._to_do:
            self._to_do = self._requested_of_them(heard)
        if self._to_do:
            return self._use_device()
        if self._plans is not None and speech.asks_to_confirm(heard) is not False:
            await self._plans.recall()
        return Turn(seat="user", role="user", content=self.respond(heard))

    def respond(self, heard: str) -> str:
        """The customer's answer to one message of the agent; the first one opens the conversation."""
        if self._at < 0:
            self._at = 0
            request = self._request_with_questions()
            for _ in range(_DRAWS):
                opening = self._phrases.say("open", request=request)
                if not _repeats(opening.replace(request, " ", 1), request):
                    break
            return opening
        self._progress = False
        self._money_heard = self._money_heard or _MONEY.search(heard) is not None or self._hears_figure(heard)
        said = self._react(heard)
        repeated = speech.normalised(heard) == self._before
        self._before = speech.normalised(heard)
        self._idle = 0 if self._progress else self._idle + (2 if repeated else 1)
        if self._idle >= PATIENCE and STOP not in said:
            return self._leave("bye_unhappy")
        return said

    # -- their own device --------------------------------------------------------------------------------------------
    def _requested_of_them(self, heard: str) -> list[Call]:
        """The calls that the agent asks for on a device, unless there is something to say first."""
        self._guided, self._unclear = False, []
        if self._devices is None or self._at < 0 or speech.hands_over(heard):
            return []
        calls, self._unclear = self._devices.read(heard, self._facts)
        self._guided = bool(calls)
        open_facts = [fact for fact in self._facts if fact.slot not in self._disclosed and fact.says]
        asked = any(speech.asks_for(heard, fact.cues or [fact.label]) for fact in open_facts)
        return [] if asked or self._changes_now(confirm=self._guided, who=False) else calls

    def _use_device(self) -> Turn:
        """One call; the others follow once its result is there."""
        self._calling = self._to_do.pop(0)
        self._calls += 1
        arguments = orjson.dumps(self._calling.arguments).decode()
        call = ToolCall(f"own_{self._calls}", self._calling.name, arguments)
        return Turn(seat="user", role="user", tool_calls=[call])

    def _report(self) -> str:
        """The results of the calls in the customer's words: all that the agent gets to know."""
        assert self._devices is not None
        made, self._results = self._results, []
        self._idle, self._before = 0, ""
        wrote = any(self._devices.changes(call) for call, _ in made)
        act = "did_not" if any(turn.error for _, turn in made) else "did" if wrote else "saw"
        return in_turn([self._phrases.say(act, results=results_in_words([turn for _, turn in made])), self._ask_back()])

    def _ask_back(self) -> str:
        """A question about the first thing asked for that is not clear; empty if all is."""
        if self._devices is None or not self._unclear:
            return ""
        tool, self._unclear = self._unclear[0], []
        name, options = self._devices.language.tool(tool).name, self._devices.options(tool)
        return self._phrases.say("which_way" if options else "what_exactly", name=name, options=options)

    # -- where we are ------------------------------------------------------------------------------------------------
    def _begin_goal(self, index: int) -> None:
        goal = self.side.goals[index]
        self._facts: list[Fact] = goal.facts
        self._replaced: list[Fact] = []
        self._earlier, self._part = [], None
        self._request = goal.request
        self._disclosed = {fact.slot for fact in goal.facts if fact.stated}
        self._questions_asked = not goal.questions
        self._questions_again = False
        self._money_heard = False
        self._confirmed = self._done = self._refused = self._complained = self._on_the_way = False
        self._insisted = self._vague = self._reminded = self._objected = 0
        if self._devices is not None:
            self._devices.new_goal()

    def _request_with_questions(self) -> str:
        goal, claim = self.side.goals[max(self._at, 0)], self._claim()
        request = goal.request
        if claim and claim.at_once:
            self._claimed += 1
            request = in_turn([request, claim.text])
        if self._questions_asked or not self._asks_at_once:
            return request
        self._questions_asked = True
        return in_turn([request, *goal.questions])

    def _claim(self) -> Claim | None:
        """What they claim about what they now ask for."""
        claim = self.side.claim
        return claim if claim is not None and claim.goal == max(self._at, 0) else None

    def _next_or_leave(self, heard: str) -> str:
        """On to the next goal, or good-bye."""
        self._progress = True
        refused, done = self._refused, self._done
        if self._at + 1 < len(self.side.goals):
            self._at += 1
            self._begin_goal(self._at)
            request = self._request_with_questions()
            act = "next" if done else "next_anyway"
            if self.side.goals[self._at].asks and _SUMS_UP.search(request):
                act = "next_sum"
            if refused:
                return in_turn(
                    [self._give_in(), request if act == "next_sum" else self._phrases.say(act, request=request)]
                )
            return self._phrases.say(act, request=request)
        if self._postponed:
            self._postponed, self._announced = False, True
            return self._phrases.say("hand_over_now")
        if refused:
            said, bye = self._give_in(), self._leave("bye_refused")
            for _ in range(_DRAWS):  # nobody gives thanks twice in one breath, or says "I see" twice
                if not any(one.search(said) and one.search(bye) for one in _ONCE):
                    break
                bye = self._leave("bye_refused")
            return in_turn([said, bye])
        if not done:
            return self._leave("bye_open")
        return self._leave("bye" if speech.offers_more(heard) else "bye_done")

    def _give_in(self) -> str:
        if self._left_be:
            self._left_be = False
            return self._phrases.say("leave")
        return self._phrases.say("give_in" if self.side.patience else "settled")

    def _leave(self, act: str) -> str:
        return f"{self._phrases.say(act)} {TRANSFER if act == 'bye_transfer' else STOP}"

    # -- one answer --------------------------------------------------------------------------------------------------
    def _react(self, heard: str) -> str:
        if speech.hands_over(heard):
            return self._leave("bye_transfer")
        asked = [fact for fact in self._facts if speech.asks_for(heard, fact.cues or [fact.label])]
        new = [fact for fact in asked if fact.slot not in self._disclosed]
        confirm = self._is_asked_to_confirm(heard)
        who = self._asked_who(heard, asked, confirm)
        if not who and self._hears_the_count(heard, asked):
            self._recounted = self._progress = True
            recounted = self.side.miscount.answer if self.side.miscount is not None else ""
            return in_turn([recounted, self._on_confirm(heard) if confirm else ""])
        if self._changes_now(confirm or self._guided, bool(who)) and not self._means_the_old(heard):
            self._progress = True
            return in_turn([who, self._change_mind(beside=who)])
        if who or new:
            answers = in_turn(self._answers(new))
            if new and not who:
                answers = self._answered(heard, answers)
            return in_turn([who, answers, self._question("also_ask")])
        if speech.announces_hand_over(heard):
            return self._on_hand_over()
        if self.side.goals[self._at].asks and not self._done and _FIGURE.search(heard):
            self._done = True
            return self._next_or_leave(heard)
        if not confirm and self._hears_that_it_is_left(heard):
            self._refused = self._left_be = True
            return self._next_or_leave(heard)
        if (second := self._second_choice()) is not None and speech.refuses(heard):
            return self._turn_to(second, heard, confirm)
        if speech.refuses(heard) and not self._done:
            return self._on_refusal(heard)
        if confirm:
            return self._on_confirm(heard)
        if choice := self._leaves_choice(asked):
            return choice
        if asked:
            return in_turn(self._answers(asked))
        if question := self._ask_back():
            return question
        if speech.reports_done(heard) and not self._done:
            return self._on_done(heard)
        if self._done:
            return self._next_or_leave(heard)
        if speech.offers_more(heard):
            return self._on_more(heard)
        if speech.asks_anything(heard):
            return self._on_open_question(heard)
        if self._idle and not speech.promises_write(heard):
            return self._phrases.say("nudge")
        return self._phrases.say("ack")

    def _hears_the_count(self, heard: str, asked: Sequence[Fact]) -> bool:
        """Whether the agent says for the first time that there are more, or fewer, than they think, or lists them to
        ask which they mean."""
        miscount = self.side.miscount
        if miscount is None or self._recounted or miscount.goal != self._at or self._done:
            return False
        numbers = {found[1] or found[2] for found in _COUNTED.finditer(heard.lower())}
        is_listed = any(fact.slot == miscount.slot for fact in asked) and len(set(_LISTED.findall(heard))) > 1
        return is_listed or bool(numbers - {str(miscount.said), NUMBERS[miscount.said - 1]})

    def _leaves_choice(self, asked: Sequence[Fact]) -> str:
        """The answer to a question which of two things they want, where a figure is to decide; empty: it is none."""
        goal = self.side.goals[self._at]
        if goal.rather is None or goal.whichever is None:
            return ""
        same = {(fact.slot, fact.text) for fact in goal.rather.facts}
        if not any((fact.slot, fact.text) not in same for fact in asked):
            return ""
        return self._phrases.say("whichever", which=goal.whichever)

    def _hears_figure(self, heard: str) -> bool:
        """Whether the agent says a number that may be the figure on which they want something: not one of theirs."""
        goal = self.side.goals[self._at]
        decides = goal.condition is not None or goal.whichever is not None
        return decides and bool(set(_NUMBER.findall(heard)) - set(_NUMBER.findall(goal.request)))

    def _hears_that_it_is_left(self, heard: str) -> bool:
        """Whether the agent leaves what they wanted on a condition only, and has told them the figure."""
        goal = self.side.goals[self._at]
        if goal.condition is None or goal.otherwise is not None or self._done or self._confirmed:
            return False
        if not self._money_heard:
            return False
        return speech.reports_done(heard) is not True and speech.promises_write(heard) is not True

    def _is_asked_to_confirm(self, heard: str) -> bool:
        """Whether the agent asks for a yes; where its words don't say, a question that names what they want does."""
        asks = speech.asks_to_confirm(heard)
        if asks is not None:
            return asks
        own = (fact.says for fact in self._facts if fact.says and fact.slot in self._disclosed)
        return heard.rstrip().endswith("?") and any(speech.mentions(heard, says) for says in own)

    def _question(self, act: str) -> str:
        """Their questions, if they have not asked them yet."""
        asked = self.side.goals[self._at].questions
        is_figure = self.side.goals[self._at].condition is not None or all(map(_ABOUT_MONEY.search, asked))
        if self._questions_asked or (self._money_heard and is_figure):
            return ""
        self._questions_asked = True
        return self._phrases.say(act, questions=in_turn(_without_and(self.side.goals[self._at].questions)))

    def _answered(self, heard: str, answers: str) -> str:
        """The answers with words before them that suit the question: no "sure" where it asks which."""
        if _OPENED.match(answers):
            return answers
        return self._phrases.say("answer_gladly" if _asks_favour(heard) else "answer", answers=answers)

    def _answers(self, facts: Sequence[Fact]) -> list[str]:
        """The answers; a fact that is said for the first time is progress."""
        for fact in facts:
            if fact.slot not in self._disclosed:
                self._disclosed.add(fact.slot)
                self._progress = True
        return [fact.answer for fact in facts]

    # -- who they are ------------------------------------------------------------------------------------------------
    def _asked_who(self, heard: str, asked: Sequence[Fact], confirm: bool) -> str:
        """The answer to a question about who they are; empty if there was none."""
        specific = [fact for fact in self.side.identity if speech.asks_for(heard, fact.cues or [fact.label])]
        if self._mistaken and not self._corrected and (specific or _NOT_FOUND.search(heard)):
            self._corrected = self._progress = True
            wrong = [fact for fact in self.side.identity if self.side.mistake and fact.slot == self.side.mistake.slot]
            # They put right what was wrong, and do not say again what was not.
            right = specific if specific and wrong[0] not in specific else wrong
            return self._phrases.say("right_now", answers=self._identity_answers(right))
        by_name = bool(specific) or speech.asks_for(heard, _WHO_BY_NAME)
        if not (by_name or speech.asks_for(heard, _WHO)):
            return ""
        # An agent that has identified us means something else: the zip code of a new address, a mail to be sent.
        if self._identified and (asked or confirm):
            return ""
        facts = self._choose_identity(specific)
        if not facts:
            return ""
        self._progress = self._progress or not self._identified
        self._identified += 1
        answers = self._identity_answers(self._as_they_think(facts))
        named = self.side.name and not specific and speech.asks_for(heard, _OWN_NAME)
        if named:
            answers = in_turn([self._phrases.say("name", name=self.side.name), answers])
        if by_name and not (specific or named):
            return self._phrases.say("lacks", answers=answers)
        return answers if _asks_favour(heard) is False else self._phrases.say("identity", answers=answers)

    def _as_they_think(self, facts: Sequence[Fact]) -> list[Fact]:
        """The facts as they give them: one of them may be wrong at first."""
        mistake = self.side.mistake
        if mistake is None or self._corrected or all(fact.slot != mistake.slot for fact in facts):
            return list(facts)
        self._mistaken = True
        wrong = {"text": mistake.text, "says": [mistake.text], "answer": mistake.answer}
        return [fact.model_copy(update=wrong) if fact.slot == mistake.slot else fact for fact in facts]

    def _choose_identity(self, specific: list[Fact]) -> list[Fact]:
        """The e-mail address if they know one, else what was asked for, else everything they know."""
        mail = [fact for fact in self.side.identity if "mail" in f"{fact.slot} {fact.label}".lower()]
        if self._identified and specific:
            return specific
        if any(fact.label.lower() in _NAMES for fact in specific):
            return mail or self.side.identity  # a name alone finds nobody
        return mail or specific or self.side.identity

    def _identity_answers(self, facts: Sequence[Fact]) -> str:
        names = {fact.label.lower(): fact for fact in facts if fact.label.lower() in _NAMES}
        if len(names) < 2:
            return in_turn(fact.answer for fact in facts)
        name = self._phrases.say("name", name=f"{names['first name'].text} {names['last name'].text}")
        return in_turn([name, *(fact.answer for fact in facts if fact not in names.values())])

    # -- changing their mind -----------------------------------------------------------------------------------------
    def _changes_now(self, confirm: bool, who: bool) -> bool:
        if not self._to_change or self._to_change[0].goal != self._at or self._done:
            return False
        return self._to_change[0].trigger == "first_reply" or (confirm and not who)

    def _change_mind(self, beside: str) -> str:
        """What they want instead; ``beside``: an answer that stands before it in the same message."""
        change, again = self._to_change.pop(0), bool(self._earlier)
        slots = {fact.slot for fact in change.facts}
        self._replaced = [fact for fact in self._facts if fact.slot in slots]
        before = {fact.slot: fact.says for fact in self._facts}
        self._facts = list(change.facts)  # all of what they want now: a reason for the first is none for this
        self._disclosed -= slots
        self._disclosed |= {fact.slot for fact in change.facts if fact.stated}
        self._earlier.append(self._request)
        self._part = change.part
        self._confirmed = False
        # Who has only said what is added, or what stays, says all of it when it has to be said again.
        news = [fact for fact in change.facts if fact.says != before.get(fact.slot)]
        self._request = change.request if change.part is None else in_turn(fact.answer for fact in news)
        act = change.part.replace(" ", "_") if change.part else "slip" if change.slip else "change"
        how = "_too" if beside else "_again" if again and change.part is None else ""
        return self._phrases.say(f"{act}{how}", request=change.request)

    def _means_the_old(self, heard: str) -> bool:
        """Whether the agent still speaks of what they asked for before a change of mind."""
        if not self._earlier or not self._replaced:
            return False
        before = {fact.slot: fact.says for fact in self._replaced}
        facts = [fact for fact in self._facts if self._part is None or fact.says != before.get(fact.slot)]
        new, slots = _said_in(facts), {fact.slot for fact in facts}
        old = _said_in([fact for fact in self._replaced if self._part is None or fact.slot in slots])
        # What they wanted before is part of what they want with something added.
        given_up = old if self._part == ADDED else old - new
        if self._part == TAKEN_BACK:
            heard = " ".join(part.text for part in speech.sentences(heard) if not _LEFT.search(part.text))
        return any(speech.mentions(heard, [say]) for say in given_up) and not any(
            speech.mentions(heard, [say]) for say in new - old
        )

    # -- what the agent may say --------------------------------------------------------------------------------------
    def _on_hand_over(self) -> str:
        if self._at + 1 < len(self.side.goals):
            self._progress = self._postponed = True
            self._at += 1
            self._begin_goal(self._at)
            return self._phrases.say("before_that", request=self._request_with_questions())
        if self._announced:
            return self._leave("bye_transfer")
        self._announced = self._progress = True
        return self._phrases.say("hand_over")

    def _on_refusal(self, heard: str) -> str:
        if self._insisted < self.side.patience:
            self._insisted += 1
            self._progress = True
            offered = self._insisted == 1 and _OFFERED.search(heard)
            pushes = self._pushes()
            if not offered:
                return pushes or self._phrases.say("insist" if self.side.pleads else "doubt")
            if pushes:
                return in_turn([pushes, self._phrases.say("decline_too")])
            if self.side.pleads:
                self._insisted = self.side.patience  # that said all there is to say
                return in_turn([self._phrases.say("decline_other"), self._phrases.say("only_this")])
            self._refused = True
            return in_turn([self._phrases.say("decline_other"), self._next_or_leave(heard)])
        self._refused = True
        return self._next_or_leave(heard)

    def _second_choice(self) -> Otherwise | None:
        """What they take if what they asked for is not possible, as long as they have not turned to it."""
        otherwise = self.side.goals[self._at].otherwise
        if otherwise is None or otherwise.clause is None or self._done or self._confirmed:
            return None
        return otherwise if self._facts is not otherwise.facts else None

    def _turn_to(self, second: Otherwise, heard: str, confirm: bool) -> str:
        """What they asked for is not possible: they take what they have named for that case."""
        self._facts, self._request = second.facts, second.request
        self._disclosed = {fact.slot for fact in second.facts}
        self._progress = True
        return self._on_confirm(heard) if confirm else self._phrases.say("fall_back", request=second.request)

    def _pushes(self) -> str:
        """What they claim, said to a refusal once, whether or not they have said it before; empty: nothing more."""
        claim = self._claim()
        if claim is None or self._claimed > claim.at_once:
            return ""
        self._claimed += 1
        act = "claim" if self._claimed == 1 else "claim_again"
        return self._phrases.say(act, claim=claim.text, but=within(claim.text))

    def _on_confirm(self, heard: str) -> str:
        if self._done:
            return self._next_or_leave(heard)
        if self._insisted and _ALTERNATIVE.search(heard):
            return self._phrases.say("decline")
        if objection := self._objection(heard):
            self._objected += 1
            if self._objected > _REMINDERS:
                self._refused = True
                return self._phrases.say("decline")
            return objection
        open_facts = [fact for fact in self._facts if fact.slot not in self._disclosed and fact.says]
        wrong = [fact for fact in open_facts if not speech.mentions(heard, fact.says)]
        detailed = any(speech.mentions(heard, fact.says) for fact in self._facts if fact.says)
        if wrong and detailed:
            # A detailed plan that is not what they want: nobody says yes to that.
            return self._phrases.say("correct", answers=in_turn(self._answers(wrong)))
        self._disclosed |= {fact.slot for fact in open_facts if fact not in wrong}
        self._progress = not self._confirmed
        self._confirmed, self._complained = True, False
        return in_turn([self._phrases.say("agree"), self._question("ask_to_be_sure")])

    def _objection(self, heard: str) -> str:
        """What they say to a plan that is neither what they asked for nor what they want otherwise, or allow; empty if
        it may be."""
        goal = self.side.goals[self._at]
        self._on_the_way = (
            goal.first is not None
            and self._plans is not None
            and self._plans.is_only_first(heard, self._facts, self._request, goal.first)
        )
        if self._on_the_way:
            return ""
        objection, otherwise = self._against(heard), goal.otherwise
        if objection and goal.rather is not None:
            # They leave it to the agent which of the two it is.
            usual = self._facts, self._request
            self._facts, self._request = goal.rather.facts, goal.rather.request
            if not self._against(heard):
                return ""
            self._facts, self._request = usual
        if not objection or otherwise is None or not (self._money_heard or self._second_choice()):
            return objection
        usual = self._facts, self._request
        self._facts, self._request = otherwise.facts, otherwise.request
        if not self._against(heard):
            self._disclosed = {fact.slot for fact in otherwise.facts}
            return ""
        self._facts, self._request = usual
        return objection

    def _against(self, heard: str) -> str:
        """What they say to a plan that is not what they asked for; empty if it may be."""
        if self._means_the_old(heard):
            return self._phrases.say("stick", request=self._request)
        if self._plans is None:
            return ""
        if other := self._plans.otherwise(heard, self._facts):
            act = "not_said" if all(fact.slot in self._disclosed for fact in other) else "correct"
            return self._phrases.say(act, answers=in_turn(self._answers(other)))
        # What is done with their own device are steps of a plan that they have agreed to.
        a_step = self._confirmed and self._devices is not None
        if not a_step and self._plans.something_else(heard, self._facts, self._request, *self._earlier):
            return self._phrases.say("not_asked", request=self._request)
        return ""

    def _on_done(self, heard: str) -> str:
        if self._means_the_old(heard) or self._complained:
            if self._objected >= _REMINDERS:
                return self._next_or_leave(heard)
            self._objected += 1
            self._complained = True
            return self._phrases.say("object", request=self._request)
        self._progress = True
        goal = self.side.goals[self._at]
        if self._on_the_way:
            self._on_the_way = self._confirmed = False
            return self._phrases.say("go_on")
        if question := self._question("ask_later"):
            return question
        if goal.questions and not self._money_heard and not self._questions_again:
            self._questions_again = True
            if any(_ABOUT_MONEY.search(question) for question in goal.questions):
                return self._phrases.say("ask_again", questions=in_turn(_without_and(goal.questions)))
        self._done = True
        if speech.promises_write(heard) and not speech.offers_more(heard):
            return self._phrases.say("ack")
        return self._next_or_leave(heard)

    def _on_more(self, heard: str) -> str:
        """The answer to "anything else?": the request again, unless they agreed to a plan, so that it must be done."""
        if self._confirmed:
            self._done = True
        elif self._reminded < _REMINDERS:
            self._reminded += 1
            return self._phrases.say("remind", request=self._request)
        return self._next_or_leave(heard)

    def _on_open_question(self, heard: str) -> str:
        """A question that no cue matches. A proposal is answered; at the second such question they volunteer a fact."""
        left = [fact for fact in self._facts if fact.slot not in self._disclosed]
        proposed = [fact for fact in left if fact.says and speech.mentions(heard, fact.says)]
        if proposed:
            return in_turn(self._answers(proposed))
        self._vague += 1
        if self._vague >= 2 and left:
            return self._phrases.say("volunteer", answers=in_turn(self._answers(left[:1])))
        return self._phrases.say("restate" if self._vague % 2 else "unknown", request=self._request)


def _repeats(before: str, request: str) -> bool:
    """Whether what leads to a request says the same three words as the request, or a long word of it."""
    first, second = (re.findall(r"[\w']+", text.lower()) for text in (before, request))
    runs = [{tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in (first, second)]
    long = [{word for word in words if len(word) >= _LONG or word == "help"} for words in (first, second)]
    return not (runs[0].isdisjoint(runs[1]) and long[0].isdisjoint(long[1]))


def _asks_favour(heard: str) -> bool | None:
    """Whether the last question asks for a favour; ``None``: there is no question."""
    asked = [sentence.text for sentence in speech.sentences(heard) if sentence.asks]
    return _FAVOUR.search(asked[-1]) is not None if asked else None


def _said_in(facts: Sequence[Fact]) -> set[str]:
    return {say for fact in facts for say in fact.says}


def _without_and(questions: Sequence[str]) -> list[str]:
    """The questions without a leading "And", for use at the beginning of a message."""
    return [question.removeprefix("And ") for question in questions]
