"""Phrasings of a domain: requests, questions and answers in words.

A domain's ``language.yaml`` has several phrasings for everything that a customer may ask and an agent may say. The
template writer and scripted players draw from it. A domain without the file gets plain sentences from its tools' names
(``plain_words``), so that it works at once.

In a phrase, ``{slot}`` stands for the spoken form of that argument (``order #W0000001``, ``the Desk Lamp``) and
``{result[field]}`` for a field of the call's result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import plain_words
from .entities import Spec
from .files import read_text
from .short_texts import cached_if_short
from .tools import USER, Tool, ToolSet, problems
from .variants import all_variants, variants

#: libyaml's loader is ten times as fast as the Python one; both are safe loaders.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Said(NamedTuple):
    """The spoken form of a value: ``text`` goes into sentences; each of ``says`` must occur in them.

    ``rough`` is what a customer says of it who leaves it open ("a flight from Boston to Denver"), if that is anything;
    ``own``: what they say in place of ``text``, where that differs: "me (Ada Bly)".
    """

    text: str
    says: tuple[str, ...]
    rough: str = ""
    own: str = ""


class Words(BaseModel):
    """Phrasings of one slot (an argument of a tool, or a fact about who the customer is)."""

    model_config = ConfigDict(extra="forbid")
    label: str = Field(description="what it is called: 'order number'")
    stated: list[str] = Field(["{value}"], min_length=1, description="how the value stands in a request")
    vague: list[str] = Field([""], min_length=1, description="in place of the value while it is withheld")
    ask: list[str] = Field(default_factory=list, description="the agent's questions for it")
    answer: list[str] = Field(["{value}"], min_length=1, description="the customer's answers; {value}")
    cues: list[str] = Field(default_factory=list, description="words by which a question for it is recognised")
    choices: dict[str, list[str]] = Field(
        default_factory=dict,
        description="by value: words by which a customer told to use a tool knows that it is meant",
    )


class Tell(BaseModel):
    """Phrasings of a question about a figure: a field of a call's result, or of a record."""

    model_config = ConfigDict(extra="forbid")
    field: str
    ask: list[str] = Field(min_length=1)
    say: list[str] = Field(min_length=1, description="the agent's sentences; {value}")
    would: list[str] = Field(
        default_factory=list, description="the same where nothing is done: 'You would get ${value} back.'; default: say"
    )
    above: list[str] = Field(
        default_factory=list, description="a condition, that it is more: 'I get more than {value}'"
    )
    below: list[str] = Field(
        default_factory=list, description="a condition, that it is less: 'it costs less than {value}'"
    )
    least: list[str] = Field(
        default_factory=list, description="a choice, of that which has the least: 'whichever' ... 'costs me less'"
    )
    most: list[str] = Field(default_factory=list, description="the same of the most: 'gives me more back'")
    limit_why: list[str] = Field(
        default_factory=list, description="why a customer sets that limit: 'For less than that I'd rather keep it.'"
    )
    known: bool = Field(
        default=False, description="customers know it, as a price: a limit of theirs on it is always met"
    )
    choice_why: list[str] = Field(
        default_factory=list, description="why they let it decide between two things: 'I'd like to keep one of them.'"
    )
    errands: list[str] = Field(
        default_factory=list,
        description="a figure of a record: the errands that are made to depend on it; default: all",
    )

    def shown(self, value: float, rounded: bool = False) -> str:
        """A figure as it is said, without its sign: money with its cents, unless it is ``rounded``."""
        if self.is_money and not rounded:
            return f"{abs(value):.2f}"
        return f"{abs(value):.2f}".rstrip("0").rstrip(".")

    @property
    def is_money(self) -> bool:
        """Whether it is an amount of dollars."""
        return any("${value}" in text for text in self.say)


class ToolWords(BaseModel):
    """Phrasings for a tool or a workflow."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(description="the errand as a noun phrase: 'cancelling an order'")
    request: list[str] = Field(default_factory=list, description="how customers ask for it; not for their own tools")
    why: list[str] = Field(
        default_factory=list, description="why they do: a sentence that may stand before the request"
    )
    otherwise: list[str] = Field(
        default_factory=list, description="errands that customers want in its place where a condition does not hold"
    )
    otherwise_why: dict[str, list[str]] = Field(
        default_factory=dict, description="by such an errand: why they do, said after it: 'My sister would take it.'"
    )
    second_choice: list[str] = Field(
        default_factory=list, description="arguments for which customers say what else they take: the version wanted"
    )
    rather: list[str] = Field(
        default_factory=list,
        description="errands between which and this one customers let a figure decide; beside them, the same errand",
    )
    several: bool = Field(True, description="whether customers want it for several records at once")
    part: list[str] = Field(
        default_factory=list,
        description="how a part of it is said that a customer adds or takes back: '{item_ids} for {new_item_ids}'",
    )
    plan: list[str] = Field(default_factory=list, description="what the agent says it is about to do")
    done: list[str] = Field(default_factory=list, description="what the agent says it has done")
    tell: list[Tell] = Field(default_factory=list)
    slots: dict[str, Words] = Field(default_factory=dict)
    withhold: list[list[str]] = Field(
        default_factory=list, description="sets of slots a customer may leave open; default: each slot alone"
    )
    guide: list[str] = Field(
        default_factory=list, description="a customer's own tool: how the agent tells them to use it"
    )
    cues: list[str] = Field(
        default_factory=list, description="a customer's own tool: words by which they know that it is meant"
    )


class FieldWords(BaseModel):
    """How a record is told from others by one of its fields. A phrase that is a clause ("that arrived last") follows
    the noun, any other stands before it; in ``named`` phrases, the value stands for the noun ("the {value}")."""

    model_config = ConfigDict(extra="forbid")
    most: list[str] = Field(default_factory=list, description="for the greatest value: 'latest'")
    least: list[str] = Field(default_factory=list, description="for the smallest value: 'oldest'")
    each: dict[str, list[str]] = Field(default_factory=dict, description="by value: for a record that has it")
    above: dict[str, list[str]] = Field(
        default_factory=dict, description="by bound, a number, date or time, for one with more: {0: [in stock]}"
    )
    any: list[str] = Field(default_factory=list, description="for a record that has the value {value}")
    contains: list[str] = Field(default_factory=list, description="for one in whose list {value} stands")
    named: list[str] = Field(default_factory=list, description="in place of the noun: '{value}'")
    itself: list[str] = Field(default_factory=list, description="for the value: 'my home address'")
    its: list[str] = Field(
        default_factory=list, description="for the value in a record that is described: 'the same plan as {one}'"
    )
    under: list[str] = Field(default_factory=list, description="for less than a number that is named: 'under ${value}'")
    over: list[str] = Field(default_factory=list, description="for more than one: 'with more than {value} GB'")
    prefer: list[str] = Field(
        default_factory=list, description="what one would rather have than another value: 'in {value}'"
    )
    weight: float = Field(
        1.0, gt=0, le=1, description="how readily customers tell a record by it, beside the other fields"
    )

    def bounds(self) -> Iterator[tuple[float | str, list[str]]]:
        """The bounds of ``above`` with their phrases: numbers, or a date or time as it is written in records."""
        for bound, texts in self.above.items():
            try:
                yield float(bound), texts
            except ValueError:
                yield bound, texts


class TakeWords(BaseModel):
    """One step of a choice: the record with these values in its fields, or those with them in the order of a field."""

    model_config = ConfigDict(extra="forbid")
    where: dict[str, Any] = Field(default_factory=dict, description="by path: the value that it has")
    least: str | None = Field(None, description="a path: the one with the smallest value first")
    most: str | None = Field(None, description="a path: the one with the greatest value first")


class ChoiceWords(BaseModel):
    """A choice that customers leave to what works: "my gift card if there's enough on it, and my credit card if not".
    The first record with which the errand can be carried out is meant."""

    model_config = ConfigDict(extra="forbid")
    say: list[str] = Field(min_length=1)
    take: list[TakeWords] = Field(min_length=1, max_length=5, description="what is taken, one after the other")
    errands: dict[str, str] = Field(
        min_length=1, description="by errand: the field of its result that says what it costs"
    )


class OfferWords(BaseModel):
    """A search that shows what can be chosen: its arguments are fields of the record that the errand is about."""

    model_config = ConfigDict(extra="forbid")
    tool: str
    of: str = Field(description="the type of that record, whose fields have the names of the tool's arguments")
    words: list[str] = Field(min_length=1, description="what follows the noun: 'around the same day'")


class RecordWords(BaseModel):
    """How customers speak of the records of one type: "my latest pending order"."""

    model_config = ConfigDict(extra="forbid")
    noun: str = Field(description="what one is called: 'order'")
    id: str | None = Field(None, description="the field that identifies one, '' where none does; default: the first")
    plural: str = Field("", description="what several are called: 'orders'; without, nobody speaks of several at once")
    all: list[str] = Field(default_factory=list, description="for all of them within another record: 'everything'")
    some: list[str] = Field(
        default_factory=list, description="for any one of several choices, of which some are preferred: 'a plan'"
    )
    offered: OfferWords | None = Field(
        None, description="the search that shows them, where they are no records of the customer's"
    )
    whose: list[str] = Field(["my"], min_length=1, description="what stands before: 'my', 'the'")
    fields: dict[str, FieldWords] = Field(default_factory=dict, description="by path: 'address.state'")
    choices: list[ChoiceWords] = Field(
        default_factory=list, description="choices that depend on what an errand can be carried out with"
    )
    figures: list[Tell] = Field(
        default_factory=list, description="figures of a record, by path, on which customers make something depend"
    )


class QuestionWords(BaseModel):
    """A question about the customer's records, which changes nothing: "How much do I owe you in all?"."""

    model_config = ConfigDict(extra="forbid")
    ask: list[str] = Field(min_length=1)
    say: list[str] = Field(min_length=1, description="the agent's answers; {value}")
    value: dict[str, Any] = Field(description="what is asked for, as an expression (docs/requests.md)")
    unless: list[str] = Field(
        default_factory=list,
        description="of a question about results: tools with whose calls it would not be clear what counts, or only "
        "where their result has a figure ('tool.field')",
    )


class FirstWords(BaseModel):
    """What customers allow to be done first, where an errand is not possible at once: "If it has to be upgraded for
    that, that's fine."."""

    model_config = ConfigDict(extra="forbid")
    errand: str
    first: dict[str, Any] = Field(
        description="what comes first, a 'do' or an 'each' (docs/requests.md); arguments that it lacks are the errand's"
        " own, if that has some of the name, else the customer's choice"
    )
    both: bool = Field(
        False, description="whether they want that as well, and it can't be done any more after the errand"
    )
    say: list[str] = Field(min_length=1, description="the customer's sentences; arguments of their choice by name")
    unless: list[dict[str, dict[str, Any]]] = Field(
        default_factory=list,
        description="worlds in which the errand is possible at once: by type of a record, fields with the values that"
        " they have there; null: none",
    )
    weight: float = Field(1.0, gt=0, le=1, description="the share of customers who want it, of those for whom it is so")


class ClaimWords(BaseModel):
    """What customers claim of a record, so that a rule would allow what they want; the record says otherwise.
    ``{value}``: the value that it would have, as customers say it; ``{ago}``: how long ago that is, of a time."""

    model_config = ConfigDict(extra="forbid")
    each: dict[str, list[str]] = Field(
        default_factory=dict, description="by value claimed: 'I'm a gold member.'; 'none': it has none"
    )
    any: list[str] = Field(default_factory=list, description="for whatever value: 'It only arrived {ago}.'")


class Language(BaseModel):
    """All phrasings of a domain."""

    model_config = ConfigDict(extra="forbid")
    greeting: list[str] = Field(["Hello! How can I help you today?"], min_length=1)
    identity: dict[str, Words] = Field(default_factory=dict, description="by domain type: Email, Zip, ...")
    slots: dict[str, Words] = Field(default_factory=dict, description="defaults by argument name")
    tools: dict[str, ToolWords] = Field(default_factory=dict)
    refusals: dict[int, list[str]] = Field(default_factory=dict, description="by rule number; {reason}")
    records: dict[str, RecordWords] = Field(
        default_factory=dict, description="by type: how customers refer to a record that they don't name"
    )
    questions: dict[str, QuestionWords] = Field(
        default_factory=dict, description="by name: what customers ask about their records, without wanting it changed"
    )
    firsts: list[FirstWords] = Field(
        default_factory=list, description="what customers allow to be done so that something else becomes possible"
    )
    claims: dict[str, dict[str, ClaimWords]] = Field(
        default_factory=dict, description="by type and field: what customers claim of a record that is not so"
    )
    notes: dict[str, str] = Field(
        default_factory=dict, description="by type: the field of a record in which anybody may have written anything"
    )

    def slot(self, tool: str, name: str) -> Words:
        """The phrasings of an argument: the tool's own, else the domain's, else plain ones."""
        words = self.tools[tool].slots.get(name) if tool in self.tools else None
        return words or self.slots.get(name) or _plain_slot(name)

    def who(self, type_name: str) -> Words:
        """The phrasings of a fact about who the customer is: the domain's own, else plain ones."""
        found = self.identity.get(type_name)
        if found is None:
            label = plain_words.label_of_type(type_name)
            found = Words(
                label=label,
                ask=[f"Could you tell me your {label}, please?", f"What is your {label}, please?"],
                answer=["My " + label + " is {value}."],
                cues=plain_words.cues_of(type_name),
            )
        return found

    def tool(self, tool: Tool | str) -> ToolWords:
        """The phrasings of a call: the domain's, else plain ones, in which ``{do}``, ``{done}`` and ``{details}`` stand
        for what :meth:`plainly` gives."""
        name = tool if isinstance(tool, str) else tool.name
        return self.tools.get(name) or _plain_tool(name)

    def plainly(self, name: str, said: Mapping[str, str], whose: str, apart: bool = False) -> dict[str, str]:
        """The fields of plain phrasings for a call, empty where the domain has words of its own.

        ``said``: the arguments to be named, as they are said; ``whose``: "my" if the customer speaks, "your" if the
        agent does; ``apart``: all arguments are named in the details, which continue the sentence.
        """
        if name in self.tools:
            return {}
        return (plain_words.apart if apart else plain_words.deed)(name, said, whose)._asdict()


@cached_if_short
def _plain_slot(name: str) -> Words:
    noun = plain_words.noun_of(name)
    thing, be = noun.text, "are" if noun.plural else "is"
    if noun.is_id:
        ask = [f"Which {thing} do you mean: {{options}}?", f"Which {thing} do you mean?", f"Which {thing} is it about?"]
        answer = [*(() if noun.plural else ("It's {value}.",)), "I mean {value}.", "{value}, please."]
        vague = f"some {thing}" if noun.plural else f"one of my {plain_words.plural(thing)}"
    elif thing.endswith("reason"):
        ask = [f"What is the {thing}: {{options}}?", f"What is the {thing}?", f"May I ask the {thing}?"]
        answer = ["{value}.", f"The {thing} is this: {{value}}."]
        vague = "a certain reason"
    else:
        ask = [f"Which {thing} would you like: {{options}}?", f"Which {thing} would you like?"]
        ask.append(f"Could you tell me the {thing}?")
        answer = ["{value}, please.", "I'd like {value}.", "{value} would be good."]
        if noun.is_given:
            answer = ["They are {value}." if noun.plural else "It's {value}.", f"The {thing} {be} {{value}}."]
        vague = f"other {thing}" if noun.plural else f"another {thing}"
    return Words(label=thing, vague=[vague], ask=ask, answer=answer, cues=plain_words.cues_of(name))


@cached_if_short
def _plain_tool(name: str) -> ToolWords:
    deed, own = plain_words.deed(name, {}, "a"), plain_words.deed(name, {}, "your")
    return ToolWords(
        name=deed.doing,
        request=[
            "Could you {do}, please? {details}",
            "I'd like you to {do}. {details}",
            "I was hoping you could {do}. {details}",
            "Can you {do}? {details}",
            "Please {do}. {details}",
        ],
        plan=["I can {do} for you now. {details}", "I'd now {do} for you. {details}", "So I'd {do}. {details}"],
        done=["That's done. I've {done}.", "All done! I've {done}.", "Done, I've {done} for you."],
        # Words such as "on" would be taken for a setting.
        guide=[
            "Please use your own device for this: {do}{details}.",
            "Please try this with your device: {do}{details}.",
        ],
        cues=[own.do.lower(), deed.do.lower(), " ".join(plain_words.words_of(name))],
    )


def load_language(file: Path, tools: ToolSet, workflows: Mapping[str, Mapping[str, Spec]] | None = None) -> Language:
    """Read ``language.yaml``; without the file, all phrasings are plain. ``workflows``: their arguments by name.

    Raises:
        ValueError: the file is not valid as a :class:`Language`, lacks a request, or names a slot or a placeholder that
            is not there; one line, which names the file and the key.
    """
    if not os.path.lexists(file):
        return Language()
    try:
        language = Language.model_validate(yaml.load(read_text(file), _Loader) or {})
    except ValidationError as error:
        raise ValueError(f"{file}: {problems(error)}") from None
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file} can't be read as YAML: {' '.join(str(error).split())}") from error
    slots: dict[str, Collection[str]] = {**(workflows or {})}
    slots |= {tool.name: tool.parameters for tool in tools}
    for name, words in language.tools.items():
        if name in slots:
            known = slots[name]
            for slot in [*words.slots, *words.second_choice, *(slot for group in words.withhold for slot in group)]:
                if slot not in known:
                    raise ValueError(f"{file}: tools.{name} names the slot '{slot}', which {name} does not have")
        if not words.request and (name not in tools or tools[name].side != USER):
            raise ValueError(f"{file}: tools.{name} needs 'request': how a customer asks for it")
    for name, words in language.tools.items():
        if unknown := [other for other in words.otherwise_why if other not in words.otherwise]:
            raise ValueError(f"{file}: tools.{name}.otherwise_why names '{unknown[0]}', which is not in its otherwise")
    for kind, record in language.records.items():
        for key, one in (("noun", record.noun), ("plural", record.plural)):
            if all_variants([one]) != [one]:
                raise ValueError(f"{file}: records.{kind}.{key} is one text, without [..|..]: '{one}'")
        for name in (name for tell in record.figures for name in tell.errands):
            if slots and name not in slots:
                near = get_close_matches(name, slots, 1, 0.6)
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(sorted(slots))}"
                raise ValueError(f"{file}: records.{kind}.figures names the errand '{name}', which is no tool; {hint}")
        if record.offered is not None and record.offered.tool not in tools:
            raise ValueError(
                f"{file}: records.{kind}.offered names the tool '{record.offered.tool}', which there is not"
            )
    if wrong := list(islice(_wrong_templates(language, slots), 4)):
        raise ValueError(f"{file}: {'; '.join(wrong)}")
    for _, phrases, names in _templates(language, slots):
        phrases[:] = all_variants(phrases)
        if names == ():  # said as they are: here, too, a doubled brace is one
            phrases[:] = [text.format() for text in phrases]
    for name, words in language.tools.items():
        named = {tuple(placeholders(text)) for text in words.part}
        if len(named) > 1 or () in named:
            raise ValueError(f"{file}: tools.{name}.part: each phrase has to name the same arguments, one or more")
    return language


def placeholders(text: str) -> list[str]:
    """The placeholders of a phrase: ``["loan_id", "result[due]"]``. Raises ValueError: its braces do not match."""
    return [field for _, field, _, _ in Formatter().parse(text) if field is not None]


def _wrong_templates(language: Language, slots: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The phrases that could not be filled in when they are drawn: each with its key, what is wrong, and the remedy."""
    for key, phrases, names in _templates(language, slots):
        for text in phrases:
            if wrong := _wrong(text, names):
                yield f"{key}: {wrong}, in {text!r}"


def _templates(
    language: Language, slots: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, list[str], Collection[str] | None]]:
    """All phrases by key, with the placeholders that they may have; ``None``: any, where no tool says what there is."""
    worded = [(f"identity.{name}", words) for name, words in language.identity.items()]
    worded += [(f"slots.{name}", words) for name, words in language.slots.items()]
    yield "greeting", language.greeting, ()
    for number, phrases in language.refusals.items():
        yield f"refusals.{number}", phrases, ("reason", "Reason")
    for name, tool in language.tools.items():
        key, own = f"tools.{name}", slots.get(name)
        worded += [(f"{key}.slots.{slot}", words) for slot, words in tool.slots.items()]
        yield f"{key}.name", [tool.name], ()
        yield f"{key}.request", tool.request, own
        yield f"{key}.why", tool.why, ()
        yield f"{key}.part", tool.part, own
        for other, phrases in tool.otherwise_why.items():
            yield f"{key}.otherwise_why.{other}", phrases, ()
        yield f"{key}.guide", tool.guide, own
        for act, phrases in (("plan", tool.plan), ("done", tool.done)):
            yield f"{key}.{act}", phrases, None if own is None else (*own, "result")
        for tell in tool.tell:
            yield from _told(f"{key}.tell", tell)
    for name, question in language.questions.items():
        yield f"questions.{name}.ask", question.ask, ()
        yield f"questions.{name}.say", question.say, ("value",)
    for place, first in enumerate(language.firsts):
        yield f"firsts.{place}.say", first.say, None
    for kind, claims in language.claims.items():
        for path, claim in claims.items():
            for value, phrases in claim.each.items():
                yield f"claims.{kind}.{path}.each.{value}", phrases, ()
            yield f"claims.{kind}.{path}.any", claim.any, ("value", "ago")
    for kind, record in language.records.items():
        yield f"records.{kind}.noun", [record.noun], ()
        yield f"records.{kind}.plural", [record.plural], ()
        yield f"records.{kind}.whose", record.whose, ()
        yield f"records.{kind}.all", record.all, ()
        for number, choice in enumerate(record.choices):
            yield f"records.{kind}.choices.{number}.say", choice.say, ()
        yield f"records.{kind}.some", record.some, ()
        if record.offered is not None:
            yield f"records.{kind}.offered.words", record.offered.words, ()
        for tell in record.figures:
            yield from _told(f"records.{kind}.figures.{tell.field}", tell)
        for path, field in record.fields.items():
            key = f"records.{kind}.fields.{path}"
            for part, phrases in (
                ("most", field.most),
                ("least", field.least),
                *field.each.items(),
                *field.above.items(),
            ):
                yield f"{key}.{part}", phrases, ()
            yield f"{key}.itself", field.itself, ()
            yield f"{key}.its", field.its, ("one",)
            for part, phrases in (
                ("any", field.any),
                ("contains", field.contains),
                ("named", field.named),
                ("under", field.under),
                ("over", field.over),
                ("prefer", field.prefer),
            ):
                yield f"{key}.{part}", phrases, ("value",)
    for key, words in worded:
        yield f"{key}.label", [words.label], ()
        yield f"{key}.ask", words.ask, () if key.startswith("identity.") else ("options",)
        for part, phrases in (("stated", words.stated), ("vague", words.vague), ("answer", words.answer)):
            yield f"{key}.{part}", phrases, ("value",)


def _told(key: str, tell: Tell) -> Iterator[tuple[str, list[str], Collection[str]]]:
    """The same of a question about a figure."""
    yield f"{key}.ask", tell.ask, ()
    for part, phrases in (("say", tell.say), ("would", tell.would), ("above", tell.above), ("below", tell.below)):
        yield f"{key}.{part}", phrases, ("value",)
    for part, phrases in (
        ("least", tell.least),
        ("most", tell.most),
        ("limit_why", tell.limit_why),
        ("choice_why", tell.choice_why),
    ):
        yield f"{key}.{part}", phrases, ()


class _Result:
    """Any value of a result: a number takes other formats than a text."""

    def __getitem__(self, key: str) -> _Result:
        return self

    def __format__(self, spec: str) -> str:
        return ""


def _wrong(text: str, names: Collection[str] | None) -> str:
    """Why a phrase can't be filled in; empty if it can."""
    try:
        variants(text)
    except ValueError as error:
        return str(error)
    try:
        used = [field if (name := re.split(r"[.\[]", field)[0]) != "result" else name for field in placeholders(text)]
    except ValueError as error:
        return f"its braces do not match ({error}); a brace that is meant as itself is doubled"
    known = list(used if names is None else names)
    for name in used:
        if not name or name not in known:
            near = get_close_matches(name, known, 1, 0.6)
            listed = f"there are {', '.join(f'{{{each}}}' for each in known)}" if known else "there are none here"
            return f"no placeholder {{{name}}}, {f'did you mean {{{near[0]}}}?' if near else listed}"
    try:
        text.format_map({name: _Result() if name == "result" else "x" for name in known})
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        return f"a placeholder is not filled in as it is written ({error})"
    return ""
