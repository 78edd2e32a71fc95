"""Hostile texts that a model's output or a customer's record could contain."""

from __future__ import annotations

from t2t_dist.core.schema import Episode, ToolCall, Turn

#: Each would leave a mark (``window.hurt``, a dialog, a request) if a page took it for anything but text.
MARKUP = (
    "<script>window.hurt = 1; alert(1)</script>",
    '"><img src=x onerror="window.hurt = 2">',
    "</li></ol></main><script src=/live></script>",
    "<svg onload=window.hurt=3><style>*{display:none}</style>",
    "' onmouseover='window.hurt=4' style='position:fixed;inset:0",
    '<a href="javascript:window.hurt=5">click</a><form action=//example.com><button>go</button></form>',
    "{{ 7 * 7 }} {% raw %} {{ runs }} ${7*7} #{7*7}",
    "<meta http-equiv=refresh content='0;url=//example.com'><base href=//example.com>",
    "<iframe srcdoc='<script>top.hurt=6</script>'></iframe>",
    "<!-- --!> ]]> <![CDATA[ \x00 <plaintext>",
)
BIDI = "pay \u202e00.5$ \u2066to\u2069 \u200bme\ufeff \u061c\u2028line\u2029paragraph"
CONTROLS = "bell\x07 escape\x1b[31mred back\x08 nul\x00 delete\x7f next\x85 return\rover tag\U000e0041 private\ue000"
PILED = "Z" + "\u0300\u0316\u035a" * 400 + "algo"
WIDE = "W" * 5_000
DEEP = "[" * 2_000 + "]" * 2_000
MEGABYTE = "a megabyte of words, " * 50_000


def spoiled(episode: Episode) -> Episode:
    """The episode with hostile text wherever a model or a tool could put it."""
    turns = [Turn("user", "user", text, reasoning=text) for text in MARKUP]
    turns += [
        Turn("agent", "assistant", text, model=MARKUP[1]) for text in (BIDI, CONTROLS, PILED, WIDE, DEEP, MEGABYTE)
    ]
    for number, text in enumerate((*MARKUP, BIDI, CONTROLS, WIDE, DEEP, MEGABYTE)):
        turns.append(Turn("agent", "assistant", None, tool_calls=[ToolCall(text[:99], text[:2_000], text)]))
        turns.append(Turn("agent", "tool", text, tool_call_id=text[:99], error=number % 2 == 0))
    episode.turns = [*episode.turns, *turns]
    episode.agent = episode.agent + MARKUP[1] + BIDI
    episode.flags = [MARKUP[0]]
    episode.outcome.detail = {MARKUP[0]: MARKUP[1] + CONTROLS}
    return episode
