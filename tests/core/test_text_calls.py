"""Tool calls that a model wrote into its text, in the ways of each family."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.text_calls import call_in_text

TOOLS = {"find_order", "find_order_by_zip", "think"}


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "find_order", "arguments": {"id": 1}}\n</tool_call>',
        'Let me look.\n<tool_call>{"name": "find_order", "arguments": {"id": 1}}',
        '<|python_tag|>{"name": "find_order", "parameters": {"id": "1"}}',
        '{"type": "function", "name": "find_order", "parameters": {"id": "1"}}',
        "<function=find_order>\n<parameter=id>\n1\n</parameter>\n</function>",
        '<function=find_order>{"id": 1}</function>',
        '[TOOL_CALLS] [{"name": "find_order", "arguments": {"id": 1}}]',
        '[TOOL_CALLS]find_order{"id": 1}',
        "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>"
        'find_order\n```json\n{"id": 1}\n```<\uff5ctool\u2581call\u2581end\uff5c>',
        '<|tool_calls_section_begin|><|tool_call_begin|>functions.find_order:0<|tool_call_argument_begin|>{"id": 1}',
        '<function_calls>\n<invoke name="find_order">\n<parameter name="id">1</parameter>\n</invoke>',
        "<tool_call>find_order\n<arg_key>id</arg_key>\n<arg_value>1</arg_value>\n</tool_call>",
        '<|channel|>commentary to=functions.find_order <|constrain|>json<|message|>{"id": 1}',
        '```json\n{"name": "find_order", "arguments": {"id": 1}}\n```',
        'Sure:\n\n{"name": "find_order", "arguments": "{\\"id\\": 1}"}',
        '{"tool_calls": [{"id": "c", "type": "function", "function": {"name": "find_order", "arguments": "{}"}}]}',
        '{"tool": "find_order", "args": {"id": 1}}',
        '{"action": "find_order", "action_input": {"id": 1}}',
        'Thought: I need it.\nAction: find_order\nAction Input: {"id": 1}',
        '{"find_order": {"id": 1}}',
        '[find_order(id="1")]',
        '```tool_code\nprint(find_order(id="1"))\n```',
        "find_order(id=1)",
        '<TOOLCALL>[{"name": "find_order", "arguments": {"id": 1}}]</TOOLCALL>',
        'functools[{"name": "find_order", "arguments": {"id": 1}}]',
    ],
)
def test_a_call_is_found_and_named(text: str) -> None:
    assert call_in_text(text, TOOLS) == "find_order"


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ('<tool_call>{"name": "other", "arguments": ', "<tool_call>"),
        ("<|tool_call_start|>[nothing]", "<|tool_call_start|>"),
        ("[TOOL_CALLS]", "[TOOL_CALLS]"),
        ("<|python_tag|>x", "<|python_tag|>"),
    ],
)
def test_a_mark_is_a_call_whatever_comes_after_it(text: str, mark: str) -> None:
    assert call_in_text(text, TOOLS) == mark


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "Your order is {on its way}.",
        "I think (as you do) that this is right.",
        "I will use find_order for that.",
        '{"name": "Robert", "arguments": {"id": 1}}',
        '{"name": "find_order"}',
        "The name find_order takes [1, 2].",
        "Shall I go ahead (yes/no)?",
        '{"orders": [{"name": "think", "price": 3}]}',
    ],
)
def test_words_for_a_customer_are_no_call(text: str | None) -> None:
    assert call_in_text(text, TOOLS) is None


def test_any_name_is_a_call_in_an_object_that_can_be_nothing_else() -> None:
    assert call_in_text('{"name": "other", "arguments": {"id": 1}}') == "other"
    assert call_in_text('```json\n[{"name": "other", "parameters": {}}]\n```') == "other"
    assert call_in_text("Hello (world): {}") is None


@given(st.text(st.sampled_from('{}[]":,<>|=_ tool_callfind_order\n'), max_size=200))
def test_whatever_is_written_it_ends(text: str) -> None:
    found = call_in_text(text, TOOLS)
    assert found is None or found in text


def test_much_text_costs_little() -> None:
    assert call_in_text("[" * 100_000 + "find_order", TOOLS) is None
