"""Tool calls that a model wrote into its text, in the ways of each family."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.text_calls import call_in_text

TOOLS = {"find_order", "find_order_by_zip", "think", "calculate"}


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
        # Llama 4
        '<|python_start|>[find_order(id="1")]<|python_end|>',
        '<|python_start|>{"name": "find_order", "parameters": {"id": "1"}}<|python_end|>',
        "I'll look that up.\n\n[find_order(id='1'), think(thought='')]",
        # GLM-4 0414; 4.5; what stays of it without its marks
        'find_order\n{"id": 1}',
        "Let me see.\nfind_order\n{}",
        "<tool_call>find_order\n</tool_call>",
        'find_order {"id": 1}',
        # Functionary 2 and 3
        '<|recipient|>find_order\n<|content|>{"id": 1}',
        '>>>find_order\n{"id": 1}',
        '>>>all\nOne moment.>>>find_order\n{"id": 1}',
        # gpt-oss, with its marks and without
        '<|start|>assistant to=functions.find_order<|channel|>commentary json<|message|>{"id": 1}<|call|>',
        "<|channel|>analysis<|message|>I need to=functions.think?<|end|><|start|>assistant<|channel|>commentary"
        ' to=functions.find_order <|constrain|>json<|message|>{"id": 1}',
        '<|channel|>commentary to=find_order <|message|>{"id": 1}',
        'assistantcommentary to=functions.find_order json{"id": 1}',
        'to=multi_tool_use.parallel {"tool_uses": [{"recipient_name": "functions.find_order", "parameters": {}}]}',
        # Qwen 2, Qwen 3 Coder, Seed
        '\u273fFUNCTION\u273f: find_order\n\u273fARGS\u273f: {"id": 1}',
        "<seed:tool_call>\n<function=find_order>\n<parameter=id>1</parameter>",
        # Mistral
        '[TOOL_CALLS]find_order[ARGS]{"id": 1}',
        'find_order[ARGS]{"id": 1}',
        '[TOOL_CALLS]find_order[CALL_ID]0[ARGS]{"id": 1}',
        # DeepSeek 3.1 and 3.2; Kimi K2 and K3
        "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>"
        'find_order<\uff5ctool\u2581sep\uff5c>{"id": 1}',
        '<\uff5cDSML\uff5cfunction_calls>\n<\uff5cDSML\uff5cinvoke name="find_order">',
        'functions.find_order:0{"id": 1}',
        '<|open|>tools<|sep|><|open|>call tool="find_order" index="0"<|sep|><|close|>call<|sep|>',
        # MiniMax; Granite; Phi-4 mini; Apertus; Command A; Gemma 3; LFM 2; Olmo 3
        '<minimax:tool_call>\n<invoke name="find_order">\n<parameter name="id">1</parameter>',
        '<tool_calls>\n{"name": "find_order", "arguments": {}}\n</tool_calls>',
        '<|tool_call|>[{"name": "find_order", "arguments": {"id": 1}}]',
        '<function_call> {"name": "find_order", "arguments": {"id": 1}}',
        '<|tool_call|>[{"type": "function", "function": {"name": "find_order", "arguments": {}}}]<|/tool_call|>',
        '<|tools_prefix|>[{"find_order": {"id": 1}}]<|tools_suffix|>',
        '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "find_order", "parameters": {"id": 1}}]<|END_ACTION|>',
        "<start_function_call>call:find_order{id:<escape>1<escape>}<end_function_call>",
        '<|tool_call_start|>[find_order(id="1")]<|tool_call_end|>',
        '<function_calls>find_order(id="1")</function_calls>',
        # xLAM, and what models write in their own words
        '[{"name": "find_order", "arguments": {"id": 1}}]',
        'Here it is:\n```json\n[{"name": "functions.find_order", "arguments": {}}]\n```',
        '```python\nresult = default_api.find_order(id="1")\n```',
        '```python\nprint(find_order("1"))\n```',
        "find_order()",
        "**Action:** `find_order`\n**Input:** 1",
        "Function call: find_order(1)",
        "<find_order>\n<id>1</id>\n</find_order>",
        '{"action": "find_order", "params": {"id": 1}}',
        '{"name": "find_order", "arguments": {"id": "' + "1" * 100_000,
        # thoughts, long footnotes and long answers
        "<think>" + "Hm. " * 10_000 + '</think><tool_call>\n{"name": "find_order", "arguments": {}}',
        "Hm. " * 10_000 + '</think>\n{"name": "find_order", "arguments": {}}',
        "[THINK]Shall I think(thought='')?[/THINK]find_order\n{}",
        "See [1]. " * 100 + '\n{"name": "find_order", "arguments": {}}',
        "Hm. " * 100_000 + "\nfind_order(id=1)",
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
        "think (about it)",
        "Think(ing) about it helps.",
        "calculate (5+3)",
        "calculate(5 + 3) is 8.",
        "find_order (the tool) shows me your orders.",
        "find_order() is what I would use.",
        "I called find_order(id=1) and found nothing.",
        "think: it may be late {by a day}.",
        "Action: think about it.",
        "Function: find_order shows all orders.",
        "call: think of it",
        "1. think\n2. calculate",
        "Please think\n{about it}",
        "Dear customer, to=you.",
        "<think>I could call find_order(id=1).\nfind_order(id=1)</think>Your order is late.",
        "find_order(id=1)\n</think>Your order is late.",
        "[think]",
        "<think>The order is late.",
        "Order <W1> is late; find_order <said> so.",
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


@pytest.mark.parametrize("piece", ["[", "<think>", '{"a":[', "\nfind_order(", "\nAction: x", "> "])
def test_much_text_of_any_kind_is_read_in_the_end(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert call_in_text(text + "find_order", TOOLS) is None
    assert call_in_text(text + "\nfind_order(id=1)", TOOLS) == "find_order"
