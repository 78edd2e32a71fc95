"""Table of finish reasons: what a server's word for the end of an answer means, and so what becomes of the answer.

Servers agree on ``stop``, ``length`` and ``tool_calls``; for everything else each has words of its own. What matters is
who ended the answer. Where the model did, or a limit that the settings chose, the answer is the model's and is graded.
Where the server did, the text is half of an answer: it is asked for again and never graded, nor learnt. Nor is one
whose end has a word that nobody knows, or is ``null``, which the references of OpenAI and Azure call unfinished. A
server that leaves the field out says nothing, and is believed.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any


class Ending(Enum):
    """Who ended an answer."""

    COMPLETE = "the model, by itself"
    CUT = "a token limit"
    FULL = "the model's context, which was full"
    WITHHELD = "a filter or a parser of the server, which another sample may well pass"
    BROKEN = "the server, which broke off"
    UNKNOWN = "nobody knows: the server names no end, or one that is in no table"


#: (ending, words in lower case, why). A word that is not here is judged by the parts it is made of, see _PARTS.
TABLE: tuple[tuple[Ending, str, str], ...] = (
    (Ending.COMPLETE, "stop tool_calls function_call", "OpenAI and most servers"),
    (Ending.COMPLETE, "eos eos_token stop_token stop_sequence stop_str endoftext", "TGI, Together, AI21, watsonx"),
    (Ending.COMPLETE, "end_turn tool_use", "Anthropic"),
    (Ending.COMPLETE, "complete completed finished end tool_call", "Cohere, gateways over other APIs"),
    (Ending.CUT, "length max_tokens max_output_tokens max_length token_limit", "OpenAI, Anthropic, Gemini, watsonx"),
    (Ending.CUT, "repetition", "vLLM stops a model that repeats itself: its own doing, like running on to the limit"),
    (Ending.FULL, "model_length model_context_window_exceeded", "Mistral; Anthropic and Z.ai"),
    (Ending.FULL, "context_length_exceeded context_length error_limit", "OpenRouter, Cohere"),
    (Ending.WITHHELD, "content_filter content_filtered content_policy refusal sensitive", "Azure, Anthropic, Zhipu"),
    (Ending.WITHHELD, "safety recitation blocklist prohibited_content spii language other", "Gemini"),
    (Ending.WITHHELD, "guardrail_intervened error_toxic", "Bedrock, Cohere"),
    (Ending.WITHHELD, "malformed_function_call unexpected_tool_call", "Gemini: its parser dropped the call"),
    (Ending.WITHHELD, "too_many_tool_calls missing_thought_signature model_armor", "Gemini"),
    (Ending.BROKEN, "abort aborted error cancelled canceled user_cancel", "vLLM, SGLang, OpenRouter, Cohere"),
    (Ending.BROKEN, "insufficient_system_resource network_error", "DeepSeek, Zhipu"),
    (Ending.BROKEN, "timeout time_limit not_finished", "Cohere, watsonx"),
    (Ending.BROKEN, "partial in_progress out_of_memory deadline max_time rate_limit quota", "gateways, local servers"),
    (Ending.BROKEN, "compaction", "Anthropic: the context was made shorter, the answer is to be continued"),
    (Ending.CUT, "truncated", "gateways: a token limit"),
    (Ending.BROKEN, "pause_turn load unload", "Anthropic: to be continued; Ollama: the model was (un)loaded"),
    (Ending.UNKNOWN, "unknown unspecified none null", "Gemini and gateways, where they don't know it themselves"),
)
_WORDS = {word: ending for ending, words, _ in TABLE for word in words.split()}
#: Parts of words that no table has yet, in this order.
_PARTS: tuple[tuple[Ending, re.Pattern[str]], ...] = (
    (Ending.FULL, re.compile("context")),
    (
        Ending.WITHHELD,
        re.compile(
            "filter|safety|block|moderat|guardrail|sensitive|prohibit|violat|refus|malformed|recitation|armor|too_many_tool|signature"
        ),
    ),
    (
        Ending.BROKEN,
        re.compile(
            "abort|error|fail|cancel|time_?d?_?out|time_limit|interrupt|disconnect|incomplete|unavailable|overload"
            "|insufficient|exhaust|crash|kill|shut_?down|preempt|evict|unfinished|not_finished|exception|terminated"
            "|out_of_mem|deadline|in_progress|partial|rate_?limit|quota|max_time|(^|_)not_"
        ),
    ),
    (Ending.CUT, re.compile("length|max_len|max_.*tokens|token_limit|truncat")),
    (
        Ending.COMPLETE,
        re.compile(
            "^stop(?!ped)|(^|_)(eos|eot|eom|end|done|natural|normal|success)(_|$)|tool|function|complete|finished"
        ),
    ),
)
#: The reasons of nearly all answers: nothing to look up.
PLAIN = frozenset({"stop", "tool_calls"})
#: Where LiteLLM keeps the finish reason of the server behind it.
MORE = "provider_specific_fields"


def ending_of(choice: dict[str, Any]) -> tuple[Ending, str]:
    """How a choice ended, with the server's word for it.

    A gateway's own ``finish_reason`` counts first; where that says that all is well, the one it got from the server
    behind it (``native_finish_reason``) counts too: gateways turn words that they don't know into ``stop``. One known
    word is enough to know the end.
    """
    more = choice.get(MORE)
    given = [choice.get("finish_reason"), choice.get("native_finish_reason")]
    if type(more) is dict:
        given.append(more.get("native_finish_reason"))
    words = [each.get("type") if type(each) is dict else each for each in given]  # an object is SGLang's own form
    found = [(_ending(word), word) for word in words if type(word) is str and word.strip()]
    if not found and choice.get("finish_reason", 0) in (None, ""):
        return Ending.UNKNOWN, "null"
    known = [each for each in found if each[0] is not Ending.UNKNOWN]
    ended = next((each for each in known if each[0] is not Ending.COMPLETE), None)
    return ended or (found[0] if found and not known else (Ending.COMPLETE, ""))


def was_broken_off(reason: str | None) -> bool:
    """Whether a stored reply with this finish reason is half of an answer: rows of earlier versions hold some."""
    return reason is not None and _ending(reason) in (Ending.BROKEN, Ending.WITHHELD, Ending.UNKNOWN)


def _ending(reason: str) -> Ending:
    word = re.sub(r"[\s-]+", "_", reason[:80].strip().lower())
    word = word.removeprefix("finish_reason_").removeprefix("finish_").removeprefix("reason_")
    known = _WORDS.get(word)
    if known is not None:
        return known
    return next((ending for ending, part in _PARTS if part.search(word)), Ending.UNKNOWN)
