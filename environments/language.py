"""Phrasings of a domain: requests, questions and answers in words.

A domain's ``language.yaml`` has several phrasings for everything that a customer may ask and an agent may say. The
template writer and scripted players draw from it. A domain without the file gets plain sentences from its tools' names,
so that it works at once.

In a phrase, ``{slot}`` stands for the spoken form of that argument (``order #W0000001``, ``the Desk Lamp``) and
``{result[field]}`` for a field of the call's result.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .entities import Spec
from .tools import USER, Tool, ToolSet, problems

#: libyaml's loader is ten times as fast as the Python one; both are safe loaders.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Said(NamedTuple):
    """The spoken form of a value: ``text`` goes into sentences; each of ``says`` must occur in them."""

    text: str
    says: tuple[str, ...]


class Words(BaseModel):
    """Phrasings of one slot (an argument of a tool, or a fact about who the customer is)."""

    model_config = ConfigDict(extra="forbid")
    label: str = Field(description="what it is called: 'order number'")
    stated: list[str] = Field(default_factory=lambda: ["{value}"], description="how the value stands in a request")
    vague: list[str] = Field(default_factory=lambda: [""], description="in place of the value while it is withheld")
    ask: list[str] = Field(default_factory=list, description="the agent's questions for it")
    answer: list[str] = Field(default_factory=lambda: ["{value}"], description="the customer's answers; {value}")
    cues: list[str] = Field(default_factory=list, description="words by which a question for it is recognised")
    choices: dict[str, list[str]] = Field(
        default_factory=dict,
        description="by value: words by which a customer told to use a tool knows that it is meant",
    )


class Tell(BaseModel):
    """Phrasings of a question about a field of the call's result."""

    model_config = ConfigDict(extra="forbid")
    field: str
    ask: list[str]
    say: list[str] = Field(description="the agent's sentences; {value}")


class ToolWords(BaseModel):
    """Phrasings for a tool or a workflow."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(description="the errand as a noun phrase: 'cancelling an order'")
    request: list[str] = Field(default_factory=list, description="how customers ask for it; not for their own tools")
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


class Language(BaseModel):
    """All phrasings of a domain."""

    model_config = ConfigDict(extra="forbid")
    greeting: list[str] = ["Hello! How can I help you today?"]
    identity: dict[str, Words] = Field(default_factory=dict, description="by domain type: Email, Zip, ...")
    slots: dict[str, Words] = Field(default_factory=dict, description="defaults by argument name")
    tools: dict[str, ToolWords] = Field(default_factory=dict)
    refusals: dict[int, list[str]] = Field(default_factory=dict, description="by rule number; {reason}")

    def slot(self, tool: str, name: str) -> Words:
        """The phrasings of an argument: the tool's own, else the domain's, else plain ones."""
        words = self.tools[tool].slots.get(name) if tool in self.tools else None
        found = words or self.slots.get(name)
        if found is None:
            label = name.replace("_", " ")
            found = Words(
                label=label,
                vague=["still open"],
                ask=[f"Could you tell me the {label}?"],
                answer=["The " + label + " is {value}."],
                cues=[label],
            )
        return found

    def tool(self, tool: Tool | str) -> ToolWords:
        """The phrasings of a call: the domain's, else made from the tool's name and arguments."""
        name = tool if isinstance(tool, str) else tool.name
        if name in self.tools:
            return self.tools[name]
        errand = name.replace("_", " ")
        slots = () if isinstance(tool, str) else tuple(tool.parameters)
        listed = "; ".join(f"{slot.replace('_', ' ')}: {{{slot}}}" for slot in slots)
        detail = f" ({listed})" if listed else ""
        return ToolWords(
            name=errand,
            request=[f"I need help with this: {errand}{detail}.", f"I would like you to {errand} for me{detail}."],
            plan=[f"I will {errand}{detail}."],
            done=[f"That is done: {errand}{detail}."],
            guide=[f"Please use your device for this: {errand}{detail}."],
            cues=[errand],
        )


def load_language(file: Path, tools: ToolSet, workflows: Mapping[str, Mapping[str, Spec]] | None = None) -> Language:
    """Read ``language.yaml``; without the file, all phrasings are plain. ``workflows``: their arguments by name.

    Raises:
        ValueError: the file is not valid as a :class:`Language`, lacks a request, or names a slot that its tool does
            not have; one line, which names the file.
    """
    if not file.exists():
        return Language()
    try:
        language = Language.model_validate(yaml.load(file.read_text("utf-8"), _Loader) or {})
    except ValidationError as error:
        raise ValueError(f"{file}: {problems(error)}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file} can't be read as YAML: {' '.join(str(error).split())}") from error
    for name, words in language.tools.items():
        if name in tools or name in (workflows or {}):
            known = set(tools[name].parameters if name in tools else (workflows or {})[name])
            for slot in [*words.slots, *(slot for group in words.withhold for slot in group)]:
                if slot not in known:
                    raise ValueError(f"{file}: tools.{name} names the slot '{slot}', which {name} does not have")
        if not words.request and (name not in tools or tools[name].side != USER):
            raise ValueError(f"{file}: tools.{name} needs 'request': how a customer asks for it")
    return language
