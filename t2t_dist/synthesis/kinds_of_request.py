"""The kinds of request that people make, each provable in code: which of them a task has, and which a domain's
customers can make.

What a task has is read off its expressions and its customer; what a domain can express, off what it declares, nearly
all of it in ``language.yaml``. So both say the same of every domain: our own, custom ones, tau2's and MCP servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeGuard

from t2t_dist.core.schema import Task
from t2t_dist.environments.base import Domain
from t2t_dist.environments.language import FieldWords, Tell

from .pushing.expressible import facts_got_wrong
from .requests import language as lang
from .requests.kinds import own_field
from .requests.questions import questions_of


class Asked(NamedTuple):
    """A task of a domain, with all nodes of what its customer means."""

    domain: Domain
    task: Task
    nodes: Sequence[lang.Node]

    def has(self, *kinds: type[lang.Node]) -> bool:
        return any(isinstance(node, kinds) for node in self.nodes)

    def has_tag(self, *tags: str) -> bool:
        """The same by the tags of nodes."""
        return any(_tag(node) in tags for node in self.nodes)


class RequestKind(NamedTuple):
    """A kind of request. ``like``: what a customer says; ``is_in``: whether a task has it; ``by``: what of a domain's
    declarations it can be made by, empty where it can't; ``lacks``: what declares it, said where nothing does."""

    name: str
    like: str
    is_in: Callable[[Asked], bool]
    by: Callable[[Domain], list[str]]
    lacks: str


class Expressible(NamedTuple):
    """Whether a domain's customers can make a kind of request: what it is made ``by``, or what the domain ``lacks``."""

    kind: str
    like: str
    by: list[str]
    lacks: str


def kinds_of(domain: Domain, task: Task) -> list[str]:
    """The kinds of request that a task has, in the order of :data:`KINDS`; none of what is no request, which verifying
    rejects."""
    nodes: list[lang.Node] = []
    for stored in (task.grader.requests or {}).values():
        try:
            nodes += lang.nodes(lang.read(stored))
        except ValueError:
            continue
    asked = Asked(domain, task, nodes)
    return [kind.name for kind in KINDS if kind.is_in(asked)]


def kinds_in(domain: Domain) -> list[Expressible]:
    """Of every kind of request, whether a domain's customers can make it. Raises ValueError: a question's value is no
    expression."""
    found = [(kind, list(dict.fromkeys(kind.by(domain)))) for kind in KINDS]
    return [Expressible(kind.name, kind.like, by, "" if by else kind.lacks) for kind, by in found]


# -- in a task ---------------------------------------------------------------------------------------------------------
def _ranked(asked: Asked) -> bool:
    return any(isinstance(node, lang.Record) and (node.by or node.worth) is not None for node in asked.nodes)


def _told_apart(asked: Asked) -> bool:
    """A record is told from its like by what stands in it, or by when it was."""
    return any(
        isinstance(node, lang.FieldOf | lang.FieldsOf) and _tests(node.of) and _is_described(node)
        for node in asked.nodes
    )


def _tests(of: lang.Record | lang.Records) -> Sequence[lang.Test]:
    return of.among.where if isinstance(of, lang.Record) else of.where


def _is_described(node: lang.FieldOf | lang.FieldsOf) -> bool:
    """Whether it is more than the record that another part of the request names, by the field that is asked for."""
    return any(test.field != node.field for test in _tests(node.of))


def _sets(asked: Asked) -> bool:
    parts = [node for node in asked.nodes if isinstance(node, lang.FieldsOf)]
    named = [node for node in parts if any(test.relation == "one of" for test in node.of.where)]
    return asked.has(lang.Each, lang.Every) or len(named) < len(parts)


def _stands_elsewhere(asked: Asked) -> bool:
    """A value is meant by where it stands: nothing tells the record that holds it from others, or it is an argument
    and another field than the one that identifies that record: "the same plan as my other line"."""
    arguments = [
        one for node in asked.nodes if isinstance(node, lang.Do | lang.Each) for one in node.arguments.values()
    ]
    others = (own_field(asked.domain, one.of.among.kind) != one.field for one in arguments if _is_of_one(one))
    return any(map(_is_all_there_is, asked.nodes)) or any(others)


def _is_of_one(node: lang.Node) -> TypeGuard[lang.FieldOf]:
    return isinstance(node, lang.FieldOf) and not node.of.among.this


def _is_all_there_is(node: lang.Node) -> bool:
    """Whether it is a field of the only record of its kind."""
    return (
        _is_of_one(node)
        and not (node.of.among.where or node.of.among.such or node.of.prefer)
        and (node.of.by or node.of.worth) is None
    )


def _limits(asked: Asked) -> bool:
    return any(isinstance(node, lang.If) and isinstance(node.condition, lang.Compares) for node in asked.nodes)


def _falls_back(asked: Asked) -> bool:
    """Something else is wanted where the first is not possible, or not there."""
    decided = [node for node in asked.nodes if isinstance(node, lang.If) and isinstance(node.otherwise, lang.Do)]
    return asked.has(lang.FirstPossible) or any(
        isinstance(one.condition, lang.Possible | lang.Exists) for one in decided
    )


def _adds_up(asked: Asked) -> bool:
    """A question about several results, or about what an errand would come to."""
    return any(isinstance(node, lang.Tell) and any(map(_works_out, lang.nodes(node))) for node in asked.nodes)


def _works_out(node: lang.Node) -> bool:
    return _tag(node) in ("sum", "arithmetic", "outcome", "results", "earlier")


def _tag(node: lang.Node) -> str:
    """The tag of a node; a test has none."""
    return str(getattr(node, "node", ""))


def _mistaken(asked: Asked) -> bool:
    """Who they are, or how many there are, is wrong at first."""
    return asked.task.user.mistake is not None or getattr(asked.task.user, "miscount", None) is not None


def _changes_more(asked: Asked) -> bool:
    """A second change of mind, or one by which something is added or part of it taken back."""
    user: Any = asked.task.user
    return getattr(user, "second_change", None) is not None or getattr(user.change, "part", None) is not None


# -- in a domain's declarations ----------------------------------------------------------------------------------------
def _tools(key: str) -> Callable[[Domain], list[str]]:
    """The errands whose words have a key."""
    return lambda domain: [name for name, words in domain.language.tools.items() if getattr(words, key, None)]


def _changeable(domain: Domain) -> list[str]:
    """The errands to which something can be added, or else all about which one can change one's mind, twice, too."""
    return _tools("part")(domain) or [errand.name for errand in domain.errands if errand.parameters]


def _fields(*keys: str) -> Callable[[Domain], list[str]]:
    """The fields of records whose words have one of the keys."""
    return lambda domain: [name for name, words in _fields_of(domain) if any(getattr(words, key, None) for key in keys)]


def _fields_of(domain: Domain) -> Iterator[tuple[str, FieldWords]]:
    for kind, record in domain.language.records.items():
        yield from ((f"{kind}.{path}", words) for path, words in record.fields.items())


def _figures_with_limits(domain: Domain) -> list[str]:
    figures: list[tuple[str, Tell]] = []
    for name, tool in domain.language.tools.items():
        figures += [(f"{name}.{tell.field}", tell) for tell in tool.tell]
    for kind, record in domain.language.records.items():
        figures += [(f"{kind}.{tell.field}", tell) for tell in record.figures]
    return [name for name, tell in figures if tell.above or tell.below]


def _weighed(domain: Domain) -> list[str]:
    """The errands between which a figure decides: the same with another value, or for another record, or two that the
    domain names."""
    return [
        f"{name}.{tell.field}"
        for name, tool in domain.language.tools.items()
        for tell in tool.tell
        if tell.least or tell.most
    ]


def _questions(domain: Domain) -> list[str]:
    return [name for name, one in questions_of(domain).items() if not any(map(_works_out, lang.nodes(one.request)))]


def _sums(domain: Domain) -> list[str]:
    return [name for name, one in questions_of(domain).items() if any(map(_works_out, lang.nodes(one.request)))]


def _claims(domain: Domain) -> list[str]:
    return [f"{kind}.{path}" for kind, claims in domain.language.claims.items() for path in claims]


#: All kinds, in the order in which they are reported.
KINDS: tuple[RequestKind, ...] = (
    RequestKind(
        "fallback",
        "the red one; if there is none, cancel it",
        _falls_back,
        _tools("second_choice"),
        "'second_choice' of a tool: an argument for which they would take something else",
    ),
    RequestKind(
        "superlative",
        "my latest order, the cheapest one",
        _ranked,
        _fields("most", "least"),
        "'most' or 'least' of a field under 'records'",
    ),
    RequestKind(
        "set",
        "everything but the lamp, all my pending orders",
        _sets,
        lambda domain: [kind for kind, record in domain.language.records.items() if record.plural or record.all],
        "'plural' (or 'all', for its parts) of a type under 'records'",
    ),
    RequestKind(
        "by description",
        "the order that goes to Texas",
        _told_apart,
        _fields("each", "any", "contains", "named", "above"),
        "'each', 'any', 'contains' or 'above' of a field under 'records'",
    ),
    RequestKind(
        "value elsewhere",
        "to my home address, to the same plan as my other line",
        _stands_elsewhere,
        _fields("itself", "its"),
        "'itself' or 'its' of a field under 'records' that holds an argument's value",
    ),
    RequestKind(
        "limit",
        "only if it costs less than $50",
        _limits,
        _figures_with_limits,
        "'above' or 'below' of a 'tell', or of a record's 'figures'",
    ),
    RequestKind(
        "sum of results",
        "and what do I get back in all?",
        _adds_up,
        _sums,
        "an entry of 'questions' whose value adds up results",
    ),
    RequestKind(
        "question",
        "how many of my orders are pending?",
        lambda asked: asked.has(lang.Tell) and not _adds_up(asked),
        _questions,
        "an entry of 'questions'",
    ),
    RequestKind(
        "preference",
        "rather battery than USB, and rather USB than mains",
        lambda asked: any(isinstance(node, lang.Record) and node.prefer for node in asked.nodes),
        _fields("prefer", "under", "over"),
        "'prefer', or 'under' or 'over', of a field under 'records'",
    ),
    RequestKind(
        "sequence",
        "upgrade it if it takes that, then change it",
        lambda asked: asked.has(lang.Several),
        lambda domain: [str(first.errand) for first in getattr(domain.language, "firsts", ())],
        "an entry of 'firsts': what may be done so that something else becomes possible",
    ),
    RequestKind(
        "false claim",
        "I'm a gold member",
        lambda asked: asked.task.user.claim is not None,
        _claims,
        "'claims' of a field that would lift a rule",
    ),
    RequestKind(
        "mistake",
        "another e-mail address at first",
        _mistaken,
        facts_got_wrong,
        "a fact by which customers are found and that no other customer has as they get it wrong",
    ),
    RequestKind(
        "second change",
        "no, the blue one; or no, green; and the mug, too",
        _changes_more,
        _changeable,
        "an errand with arguments, of which customers may want another value",
    ),
    RequestKind(
        "payment order",
        "my gift card if there is enough on it, else my credit card",
        lambda asked: asked.has_tag("first that works"),
        lambda domain: [kind for kind, record in domain.language.records.items() if getattr(record, "choices", None)],
        "'choices' of a type under 'records': what they pay with first, and with what otherwise",
    ),
    RequestKind(
        "whichever is better",
        "whichever of the two costs me less",
        lambda asked: asked.has(lang.Best),
        _weighed,
        "'least' or 'most' of a 'tell'",
    ),
)
