"""Words for a domain: its own where it has them, else plain ones; mistakes in the file are reported in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NewType

import pytest

from t2t_dist.environments.language import Language, ToolWords, Words, load_language
from t2t_dist.environments.registry import BUILT_IN, load
from t2t_dist.environments.state import World
from t2t_dist.environments.tools import WRITE, ToolSet, tool

OrderId = NewType("OrderId", str)


@tool(WRITE)
def cancel_order(world: World, order_id: OrderId, reason: str) -> str:
    return "done"


@tool(WRITE)
def close_shop(world: World) -> str:
    return "done"


TOOLS = ToolSet([cancel_order, close_shop])
GOOD = """
slots:
  order_id: {label: order number, ask: [Which order?]}
  reason: {label: reason}
tools:
  cancel_order:
    name: cancelling an order
    request: ["Cancel {order_id}, please."]
    withhold: [[reason], [order_id, reason]]
    slots:
      reason: {label: why, ask: [Why?]}
  upgrade_order: {name: an upgrade, request: [Upgrade it.], slots: {anything: {label: x}}}
refusals:
  3: ["No: {reason}."]
"""
FIGURE = """
records:
  Order:
    noun: order
    plural: orders
    figures:
      - {field: age, ask: [How old?], say: ["It['s| is] {value}."], would: ["{value}"], below: ["it's below {value}"]}
"""


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "language.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_an_absent_or_empty_file_gives_plain_words(tmp_path: Path) -> None:
    assert load_language(tmp_path / "language.yaml", TOOLS) == Language()
    assert load_language(written(tmp_path, "# nothing yet\n"), TOOLS) == Language()


def test_plain_words_name_the_tool_and_its_arguments() -> None:
    language = Language()
    words, fields = (
        language.tool(cancel_order),
        language.plainly("cancel_order", {"order_id": "#1", "reason": "late"}, "my"),
    )
    assert words.name == "cancelling an order"
    assert [text.format(**fields) for text in words.request][:2] == [
        "Could you cancel order #1, please? The reason is late.",
        "I'd like you to cancel order #1. The reason is late.",
    ]
    fields = language.plainly("cancel_order", {"order_id": "#1"}, "your")
    assert words.plan[0].format(**fields) == "I can cancel order #1 for you now. "
    assert words.done[0].format(**fields) == "That's done. I've cancelled order #1."
    fields = language.plainly("give_a_discount", {}, "my")
    assert language.tool("give_a_discount").request[0].format(**fields) == "Could you give a discount, please? "
    assert Language(tools={"close_shop": words}).plainly("close_shop", {"order_id": "#1"}, "my") == {}


def test_plain_words_of_a_slot() -> None:
    words = Language().slot("cancel_order", "order_id")
    assert (words.label, words.stated) == ("order", ["{value}"])
    assert {"order", "order id", "order number", "which one"} <= set(words.cues)
    assert words.ask[:2] == ["Which order do you mean: {options}?", "Which order do you mean?"]
    assert words.answer[0] == "It's {value}."
    assert words.vague == ["one of my orders"]
    assert Language().slot("cancel_order", "reason").answer[0] == "{value}."
    assert Language().slot("move_pickup", "branch").answer[:2] == ["{value}, please.", "I'd like {value}."]
    assert Language().slot("book", "first_name").answer == ["It's {value}.", "The first name is {value}."]


def test_a_tools_own_words_come_before_the_domains(tmp_path: Path) -> None:
    language = load_language(written(tmp_path, GOOD), TOOLS)
    assert language.slot("cancel_order", "reason").label == "why"
    assert language.slot("cancel_order", "order_id").label == "order number"
    assert language.slot("close_shop", "reason").label == "reason"
    assert language.slot("close_shop", "colour_of_door").label == "colour of door"
    assert language.tool(cancel_order) == language.tool("cancel_order") == language.tools["cancel_order"]
    assert language.tool("cancel_order").withhold == [["reason"], ["order_id", "reason"]]
    assert language.tool(close_shop).name == "closing a shop"
    assert language.refusals == {3: ["No: {reason}."]}


def test_a_doubled_brace_is_one_wherever_it_stands(tmp_path: Path) -> None:
    language = load_language(
        written(tmp_path, GOOD + "greeting: ['Hello {{x}}']\nidentity: {E: {label: e, ask: ['{{?']}}"), TOOLS
    )
    assert language.greeting == ["Hello {x}"]
    assert language.identity["E"].ask == ["{?"]


def test_brackets_with_bars_stand_for_several_phrases(tmp_path: Path) -> None:
    short = GOOD.replace('["Cancel {order_id}, please."]', '["[Cancel|Stop] {order_id}[, please|]."]')
    language = load_language(written(tmp_path, short + "greeting: ['[Hello|Hi] {{x}}']"), TOOLS)
    assert language.greeting == ["Hello {x}", "Hi {x}"]
    assert language.tool("cancel_order").request == [
        "Cancel {order_id}, please.",
        "Cancel {order_id}.",
        "Stop {order_id}, please.",
        "Stop {order_id}.",
    ]
    language = load_language(written(tmp_path, FIGURE), TOOLS)
    (figure,) = language.records["Order"].figures
    assert (figure.say, figure.below) == (["It's {value}.", "It is {value}."], ["it's below {value}"])


def test_words_of_what_no_tool_does_may_have_any_slots(tmp_path: Path) -> None:
    language = load_language(written(tmp_path, GOOD), TOOLS)
    assert language.tool("upgrade_order") == ToolWords(
        name="an upgrade", request=["Upgrade it."], slots={"anything": Words(label="x")}
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("greeting: Hello", "greeting: input should be a valid list"),
        ("greetings: [Hello]", "greetings: extra inputs are not permitted"),
        ("slots: {reason: {lable: why}}", "slots.reason.label: field required; slots.reason.lable: extra inputs"),
        ("tools: {cancel_order: {name: x}}", "tools.cancel_order needs 'request': how a customer asks for it"),
        (
            "tools: {cancel_order: {name: x, request: [x], part: ['{order_id}', that]}}",
            "tools.cancel_order.part: each phrase has to name the same arguments",
        ),
        ("refusals: {first: [No.]}", "refusals.first.[key]: input should be a valid integer"),
        ("[a, list]", "arguments: input should be a valid dictionary"),
        ("greeting: [Hello", "can't be read as YAML: while parsing a flow sequence"),
        ("greeting: !!python/object:os.system [ls]", "can't be read as YAML: could not determine a constructor"),
        (b"greeting: [\xff]", "can't be read as YAML: 'utf-8' codec can't decode byte 0xff"),
        ("greeting: []", "greeting: list should have at least 1 item"),
        ("greeting: ['Hello {name}!']", "greeting: no placeholder {name}, there are none here, in 'Hello {name}!'"),
        ("identity: {Email: {label: '{value}'}}", "identity.Email.label: no placeholder {value}, there are none here"),
        ("identity: {Email: {label: e, ask: ['{options}?']}}", "identity.Email.ask: no placeholder {options}, there"),
        (
            "identity: {Email: {label: e, answer: ['It is {vlaue}.']}}",
            "answer: no placeholder {vlaue}, did you mean {value}?",
        ),
        (
            "slots: {reason: {label: w, ask: ['Why: {option}?']}}",
            "slots.reason.ask: no placeholder {option}, did you mean {op",
        ),
        (
            "slots: {reason: {label: w, stated: ['{value']}}",
            "slots.reason.stated: its braces do not match (expected '}'",
        ),
        (
            "slots: {reason: {label: w, vague: ['some} one']}}",
            "slots.reason.vague: its braces do not match (Single '}'",
        ),
        (
            "slots: {reason: {label: w, answer: ['{value:d}']}}",
            "slots.reason.answer: a placeholder is not filled in as it",
        ),
        ("slots: {reason: {label: w, answer: ['{}']}}", "slots.reason.answer: no placeholder {}, there are {value}"),
        ("slots: {reason: {label: w, answer: [5]}}", "slots.reason.answer.0: input should be a valid string"),
        (
            GOOD.replace("{order_id},", "{oder_id},"),
            "tools.cancel_order.request: no placeholder {oder_id}, did you mean {or",
        ),
        (
            GOOD.replace("[Upgrade it.]", f"['{'[a|b]' * 9}']"),
            "tools.upgrade_order.request: it stands for more than 300",
        ),
        (GOOD.replace("[Upgrade it.]", "['Upgrade {it.']"), "tools.upgrade_order.request: its braces do not match"),
        (GOOD.replace("{reason}.", "{raeson}."), "refusals.3: no placeholder {raeson}, did you mean {reason}?"),
        (GOOD + "  4: ['{reason.x}']", "refusals.4: no placeholder {reason.x}, did you mean {reason}?"),
        (
            GOOD.replace("    withhold:", "    tell: [{field: x, ask: ['{x}?'], say: ['{x}']}]\n    withhold:"),
            "tools.cancel_order.tell.ask: no placeholder {x}, there are none here, in '{x}?';"
            " tools.cancel_order.tell.say: no placeholder {x}, there are {value}, in '{x}'",
        ),
        (
            GOOD.replace("    withhold:", "    done: ['{resutl[x]}']\n    withhold:"),
            "tools.cancel_order.done: no placeholder {resutl[x]}, did you mean {result}?",
        ),
        (FIGURE.replace("plural: orders", "plural: '{x} orders'"), "records.Order.plural: no placeholder {x}, there"),
        (
            FIGURE.replace("How old?", "'{x}?'"),
            "records.Order.figures.age.ask: no placeholder {x}, there are none here",
        ),
        (
            FIGURE.replace('["{value}"]', '["{vlaue}"]'),
            "records.Order.figures.age.would: no placeholder {vlaue}, did you",
        ),
        (
            FIGURE.replace("below {value}", "below {vlaue}"),
            "records.Order.figures.age.below: no placeholder {vlaue}, did",
        ),
        (
            GOOD.replace("      reason: {label: why", "      raeson: {label: why"),
            "tools.cancel_order names the slot 'raeson', which cancel_order does not have",
        ),
        (
            GOOD.replace("    withhold:", "    second_choice: [colour]\n    withhold:"),
            "tools.cancel_order names the slot 'colour', which cancel_order does not have",
        ),
        (
            GOOD + "\nrecords: {Trip: {noun: trip, some: [a trip], offered: {tool: search, of: Day, words: [soon]}}}",
            "records.Trip.offered names the tool 'search', which there is not",
        ),
        (
            GOOD.replace("    withhold", "    otherwise_why: {upgrade_order: [It is late.]}\n    withhold"),
            "tools.cancel_order.otherwise_why names 'upgrade_order', which is not in its otherwise",
        ),
        (
            GOOD.replace("[[reason]", "[[order]"),
            "tools.cancel_order names the slot 'order', which cancel_order does not have",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path: Path, text: str, problem: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ValueError, match=re.escape(str(file))) as caught:
        load_language(file, TOOLS)
    said = str(caught.value)
    assert said.startswith(str(file))
    assert problem in said
    assert "\n" not in said


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_domains_have_words_for_all_they_can_do(name: str) -> None:
    domain = load(name, 0, 0.05)
    words = domain.language
    writes = {tool.name for tool in domain.of_kind(WRITE)} | set(domain.workflows)
    assert writes <= set(words.tools)
    for own in domain.user_tools:
        assert words.tools[own.name].guide
        assert words.tools[own.name].cues
    assert {rule.number for rule in domain.rule_list} <= set(words.refusals)
    for tool_name in writes:
        errand = domain.errand(tool_name)
        assert errand is not None
        for slot, spec in errand.parameters.items():
            if spec.name != domain.customer_type:  # who the customer is: nothing to ask for
                assert words.slot(tool_name, slot).ask
