"""Reader of what a server says instead of an answer: its words, the HTTP status it means, and whether the conversation
has outgrown the model's context.

Servers share no format for this. A refusal is the body of a 4xx or 5xx, or a 200 with an ``error`` in it; it is read
from bytes, or as the value that was decoded from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from .surrogates import BOM

#: Bytes above which the body of a refusal is read as plain text, and only its start.
_JSON_BYTES, _TEXT_BYTES = 1 << 18, 1 << 13
#: Of one refusal: strings that are read, characters of each and of all, of a code, depth.
_STRINGS, _CHARACTERS, _PLAIN, _CODE, _DEPTH = 64, 2000, 1 << 13, 200, 6

#: Fields that echo the request or hold the answer's text: what stands there is not the server's word.
_NOT_ITS_WORDS = frozenset(
    [
        "input",
        "inputs",
        "messages",
        "prompt",
        "content",
        "reasoning",
        "reasoning_content",
        "arguments",
        "tool_calls",
        "tools",
        "usage",
        "logprobs",
        "failed_generation",
    ]
)
#: Fields with a message for people, the most specific first.
_MESSAGES = ("message", "msg", "error_msg", "error_message", "errorMessage", "status_msg", "error", "detail", "title")
#: Fields that hold an error in their turn.
_ERRORS = ("error", "errors", "base_resp", "detail")
#: Fields that are looked at in a body with choices; most bodies have none of them.
_GOOD = frozenset(["", "ok", "success", "succeeded"])
_SIGNS = frozenset(["error", "errors", "base_resp", "success", "type", "status", "code"])
#: Fields with a status, code or type.
_CODES = (
    "code",
    "status",
    "status_code",
    "statusCode",
    "http_code",
    "http_status",
    "error_code",
    "error_type",
    "type",
    "reason",
)
#: One of these has a body that says anything.
SAYS = frozenset([*_MESSAGES, *_ERRORS, *_CODES])


def refusal_text(said: bytes | Any) -> str:
    """The message for people in a refusal, else all of it as text."""
    value = _value(said)
    if isinstance(value, str):
        return value
    message = _message(value)
    if message:
        return message
    if isinstance(said, bytes):
        return said[:_TEXT_BYTES].decode("utf-8", "replace")
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # nested deeper than it writes, or a whole number beyond 64 bits
        return "\n".join(_strings(value)) or "an error that can't be shown"


def is_error(value: Any) -> bool:
    """Whether the value of a field ``error`` says that there is one: some servers always send the field."""
    return any(map(bool, value.values())) if isinstance(value, dict) else bool(value)


def holds_error(body: Mapping[str, Any]) -> bool:
    """Whether a body says, in a field beside its choices, that it is an error."""
    if body.get("object") == "error":
        return True
    if _SIGNS.isdisjoint(body):
        return False
    base, status, message = body.get("base_resp"), body.get("status"), body.get("message")
    code = _number(body.get("code"))
    return (
        is_error(body.get("error"))
        or is_error(body.get("errors"))
        or (isinstance(base, dict) and (_number(base.get("status_code")) or 0) not in (0, 200))
        or body.get("success") is False
        or body.get("type") == "error"
        or (isinstance(status, str) and status.lower() in ("failed", "error", "cancelled", "canceled"))
        # Some gateways have large codes for success, too.
        or (code is not None and code >= 400 and isinstance(message, str) and message.lower() not in _GOOD)
    )


def _number(code: Any) -> int | None:
    """A code that is a number or the digits of one."""
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= 6:
        return int(code)
    return code if type(code) is int else None


def is_refusal(value: Any) -> bool:
    """Whether a body that is no answer says why."""
    if isinstance(value, dict) and SAYS.isdisjoint(value):
        return False
    return _message(value) is not None or status_named(value) is not None


def blames_the_model(said: bytes | Any) -> bool:
    """Whether a refusal is about what the model wrote, not the request: Groq's for a call that it could not parse."""
    return any(level.get("code") == "tool_use_failed" for level in _levels(_value(said)))


def code_named(said: bytes | Any) -> int | None:
    """The HTTP status that stands in an error as a number; None if none does."""
    value = _value(said)
    if not isinstance(value, str):
        for level in _levels(value):
            for name in _CODES:
                code = _number(level.get(name))
                if code is not None and 400 <= code <= 599:
                    return code
        value = _message(value) or ""
    number = _NUMBER.search(value[:_CHARACTERS])
    return int(number[1] or number[2]) if number else None


def status_named(said: bytes | Any) -> int | None:
    """The HTTP status that an error means, by its codes, types and plainest words; None if it names none."""
    value = _value(said)
    if (code := code_named(value)) is not None:
        return code
    if isinstance(value, str):
        return _status_of_words(value, in_message=True)
    codes = [level.get(name) for level in _levels(value) for name in _CODES]
    words = " ".join([code[:_CODE] for code in codes if isinstance(code, str)])
    return _status_of_words(words) or _status_of_words(_message(value) or "", in_message=True)


def says_too_long(status: int | None, said: bytes | Any, max_tokens: int | None) -> bool:
    """Whether a refusal means that the conversation no longer fits the model's context.

    ``status`` is None where it is not known. It does not mean so if ``max_tokens`` alone fills the context: every
    conversation would be refused from its first turn, and a setting must not turn a run into nothing but graded
    terminations. Neither do limits on rates, on money, on answers or on images.
    """
    if status in _OTHER_STATUSES:
        return False
    value = _value(said)
    text = _plain(value if isinstance(value, str) else "\n".join(_strings(value)))
    if _NO_ROOM.search(text):
        return True
    if _OTHER_LIMIT.search(text) or (_ANSWERS_LIMIT.search(text) and not _PROMPT.search(text)):
        return False
    if not _TOO_LONG.search(text) and not (status == 413 and ("too large" in text or "length limit exceeded" in text)):
        return False
    contexts = [int(n) for n in _CONTEXT_TOKENS.findall(text)]
    if not contexts:
        return True
    asked = [int(n) for groups in _ANSWER_TOKENS.findall(text) for n in groups if n]
    return max([*asked, max_tokens or 0]) < max(contexts)


def wants_turns(message: str) -> bool:
    """Whether a refusal says that user and assistant have to take turns, beginning with the user."""
    return _TURNS.search(message[:_CHARACTERS]) is not None


# -- statuses ----------------------------------------------------------------------------------------------------------
#: (status, words in codes and types, whether they count in a message too).
_STATUSES: tuple[tuple[int, re.Pattern[str], bool], ...] = tuple(
    (status, re.compile(words, re.IGNORECASE), bool(in_message))
    for status, words, in_message in (
        (429, r"rate.?limit|too.?many.?requests|throttl|resource.?exhausted|(exceeded.{0,20}|insufficient.?)quota", 1),
        (401, r"unauthori[sz]ed|(un|not.?)authenticated|(invalid|incorrect|missing|no).{0,6}api.?key", 1),
        (401, r"authentication.?(err|fail)", 1),
        (402, r"insufficient.?(balance|credit|fund)|payment.?required", 1),
        (403, r"forbidden|permission.?denied|access.?denied", 1),
        (503, r"overload|unavailable|at.?capacity|server.{0,4}busy|no.?(healthy|available).{0,12}(server|worker)", 1),
        (504, r"time.?d?.?out|deadline", 1),
        (502, r"bad.?gateway|upstream|disconnected|connection.?(reset|refused|error|closed|aborted)", 1),
        (500, r"internal|server.?error|api.?error|engine.?(dead|error)", 1),
        (404, r"not.?found", 0),
        (400, r"invalid.?(request|argument|param)|bad.?request|validation|unprocessable", 0),
    )
)
_NUMBER = re.compile(
    r"\b(?:status|code|http(?:/[\d.]+)?|error)\W{1,4}([45]\d\d)\b"
    # At the start of a message only as a status line, not as a count of something.
    r"|^\W*([45]\d\d)(?=\W*$|[^\w\s.]| \W| (?:bad|unauthori|payment|forbidden|not|method|conflict|gone|length|payload"
    r"|content|request|too|unprocess|internal|server|service|gateway|client|error|http|overload|upstream|rate)\w*\b)",
    re.IGNORECASE,
)


def _status_of_words(text: str, *, in_message: bool = False) -> int | None:
    text = text[:_CHARACTERS]
    return next((code for code, words, plain in _STATUSES if (plain or not in_message) and words.search(text)), None)


# -- a full context ----------------------------------------------------------------------------------------------------
#: Statuses with a meaning of their own, whatever is said beside them: keys, money, paths, rates, gateways.
_OTHER_STATUSES = frozenset({401, 402, 403, 404, 407, 408, 429, 502, 503, 504, 529})

# All patterns below are for text from _plain: lower case, no quotes, "max_new_tokens" as "max new tokens".
_OTHER_LIMIT = re.compile(
    # rates and money
    r"rate ?limit|per[ -](second|min|hour|day|month)"
    r"|\b[tr]p[mds]\b|quota|too many requests|throttl|please wait|slow down"
    r"|\b(daily|hourly|weekly|monthly|billing|credits?|subscription|organi[sz]ation)\b|balance|限流|频率|速率|并发|额度|余额|分钟"
    # what the server itself was given: memory, the size of its messages
    r"|kv cache is not enough|stored in kv cache|received message larger than max"
    # time, and tokens of another kind
    r"|deadline|\b(access|auth\w{0,12}|bearer|jwt|api) tokens?\b"
    # pictures and files
    r"|\b(image|picture|photo|audio|video|file|attachment|pdf)s?\b[^.;]{0,60}"
    r"\b([mk]b|bytes|pixels?|dimensions?|size|large|big|many|resolution)\b"
    r"|\b([mk]b|bytes|pixels?|size|number of|many) (of )?(the )?(image|audio|video|file|attachment)"
)
#: A limit on the answer's tokens, and the words without which nothing else is meant.
_ANSWERS_LIMIT = re.compile(
    r"\bmax(imum)? ((completion|new|output|generated|gen) )?tokens\b(?! allowed)"
    r"|\b(output|completion|budget|response|thinking) tokens?\b"
)
#: What vLLM says where the prompt leaves fewer tokens than none for the answer.
_NO_ROOM = re.compile(r"max (completion )?tokens must be at least 1, got -\d")
_PROMPT = re.compile(r"\b(prompts?|inputs?|messages?|conversation|history|in (the |your )?request)\b")

_WHOLE = r"\b(prompts?|inputs?|messages?|conversation|history|request|query|question|text|content|chat)"
_SIZE = (
    r"(context (window|length|size|limit|len|capacity|tokens?|(of|for) \d)|\bn ctx|max position embeddings"
    r"|(model|sequence|seq|session|prompt|inputs?|messages?) (max )?(token )?(length|len|window|limit|size|tokens?))"
)
_OVER = (
    r"((exceed|surpass|overflow)\w{0,4}|(longer|greater|larger|bigger|more|higher) than|too (long|large|big|many)"
    r"|(must|should|needs to|cannot|can not|may not) (be |have )?(strictly )?"
    r"(less|shorter|smaller|fewer|at most|no more|under|below|<)"
    r"|beyond|out of|not (fit|enough)|reached|> ?(\d|n ctx|max))"
)
_TOO_LONG = re.compile(
    "|".join(
        (
            # the input length 9 exceeds ...; must be less than the maximum context length
            rf"{_SIZE}.{{0,120}}?{_OVER}|{_OVER}.{{0,120}}?{_SIZE}",
            r"\bcontext (is )?(exceeded|overflow\w{0,4}|full)|exceeds? (\w{1,24} ){0,4}context\b|context ?overflow",
            # the limit alone, stated: maximum context length is 9
            r"context (window|length|size|limit) ?(is |of |: ?)(only )?\d",
            r"max(imum)? (number of )?(context|prompt|input|model|sequence) (length|size|window|tokens?|len)"
            r" ?(is |of |: ?)\(?\d",
            # prompt (9 tokens) is too long; string too long, of a message
            _WHOLE + r"( body| payload| text| string| data| tokens?| length| size| count| is| are| was| has| been"
            r"| provided|\W?\([^)]{0,60}\)|:)* (way )?too (long|large|big)",
            r"\b(messages|input|prompt|content)(?![^ ]{0,40}\.(name|id|role)\b)[^ ]{0,40}:? (string|array) too long"
            r"|\btokens too long",
            # too many input tokens; token limit exceeded; tokens ... exceed the limit
            r"too many (input |prompt |total )?tokens|\btokens?( limit)? (has been |is |was |been )?(exceeded|reached)",
            r"\b(supports?|accepts?|allows?) (\w{1,24} ){0,2}\d{1,12} (input|prompt|context) tokens",
            r"tokens.{0,30}not fit",
            r"\b(inputs?|prompt) token count (is |of )?\d{1,12}.{0,24}\b(only|supports?|limit|max)",
            r"\btokens?\b.{0,60}\b(exceed\w{0,4}|(more|greater|larger|longer) than|over|above) .{0,60}"
            r"\b(limit|max\w{0,4}|allowed)",
            # request exceeds the maximum size; prompt has 9 tokens, but the ...; inputs must have less than 9 tokens
            _WHOLE + r"( \w{1,24}){0,2} exceed\w{0,4} (\w{1,24} ){0,3}?(max\w{0,4}|limit|allowed)"
            r"( allowed| supported)?( number of)? ?(length|size|tokens?|bytes|characters|context|input)",
            _WHOLE + r" (has|have|contains?|of|with|is) (about )?\d{1,12} tokens?.{0,80}"
            r"(but|too large|exceed|larger|longer|limit|max)",
            _WHOLE + r"\b.{0,30}(must|should|cannot|may not).{0,20}(less|fewer|shorter|exceed|<).{0,30}tokens?",
            _WHOLE
            + r"\b.{0,30}(longer|larger|bigger) than|"
            + _WHOLE
            + r" .{0,20}tokens (must|should) be (less|fewer)",
            # please reduce the length of the messages; current length is 9 while limit is 8
            r"(reduce|shorten) (\w{1,24} ){0,4}(of |in )?(the |your )?(inputs?|prompt|messages|conversation)\b",
            r"\brequest size (cannot|can not|must not|may not) exceed|text fields that are too large",
            r"length is \d+ while limit is \d+|range of input length|input length should be in (the )?range",
            # limits in bytes and characters
            r"\b(payload|body) size (of )?(\d{1,12} )?(bytes )?exceed",
            r"max(imum)? (number of )?input (characters|chars)( is| are| of|:)? ?\d",
            r"expected max length: \d{4,12}, actual: \d",
            r"length of /(prompt|messages|inputs?|text|content)[^ ]{0,40} must be <=",
            r"(?<!max )\btokens? ?(总?数量?|长度)超",
            r"超长|超[出过].{0,12}(长度|上下文|最大)|(输入|上下文|提示词).{0,8}(过长|超[出过限])",
        )
    )
)
#: What the context holds, and how much of it the answer was to have, in tokens.
_CONTEXT_TOKENS = re.compile(
    r"(?:(?:context|model) (?:length|window|size|limit|len)(?: is| of|:)?(?: only)? ?\(?|<= ?|> ?)(\d{1,12})\b"
)
_ANSWER_TOKENS = re.compile(
    r"(\d{1,12}) (?:tokens )?(?:in|for) the completion|requested (\d{1,12}) output|too large: (\d{1,12})"
)
_TURNS = re.compile(
    r"alternat(e|es|ing)\b.{0,60}\b(user|assistant|roles?)\b|take turns"
    r"|\b(roles?|messages?|user|turns?)\b.{0,60}(alternat(e|es|ing|ely)|interleav)|interleav.{0,40}\b(user|assistant|roles?)\b"
    r"|\b(successive|consecutive|multiple|adjacent) \W?(user|assistant|model)\b.{0,24}\b(messages?|roles?|turns?)\b"
    r"|\bsame role\b.{0,24}(in a row|consecutive|success)|\b(consecutive|successive)\b.{0,24}\bsame role\b"
    # the first message (except ...) must be a user message; but not: first, the role must be 'user' or 'assistant'
    r"|\bfirst\b.{0,70}\b(must|should|has to|needs? to) (start|begin|be|use|have|come).{0,24}\buser\b"
    r"(?!\W{1,4}(or|and|assistant|tool|system|model)\b)"
    r"|\b(conversation|messages|history|dialogue?)\b.{0,40}\b(must|should|ha(s|ve) to|needs? to) (start|begin)"
    r".{0,24}\buser\b"
    r"|(begin|start)(ning|s)? with (an? |the )?(role )?\W?(user|assistant)\b|unexpected role \W?assistant"
    r"|\bassistant\b.{0,40}\b(can ?not|can't|must not|may not|should not) (be|come|appear|go|stand).{0,12}\bfirst\b"
    r"|\bassistant\b.{0,40}(preceded by|must (follow|come after)|only (follow|come after)).{0,16}\buser\b"
    r"|expect.{0,40}\buser\b.{0,24}\b(got|found|received|but|not)\b.{0,16}\b(assistant|model)\b"
    # Gemini; Baidu; in Chinese: alternately, the first message, the roles are wrong
    r"|multi-?turn requests?\b|function call turn comes immediately after|messages must be (an )?odd"
    r"|\b(odd|even) (index|position)\b.{0,40}\b(user|assistant)\b"
    r"|\u4ea4\u66ff|\u7b2c\u4e00\u6761.{0,20}(user|\u7528\u6237)|(user|\u7528\u6237).{0,8}(\u5f00\u5934|\u5f00\u59cb)"
    r"|\u89d2\u8272\u4fe1\u606f\u4e0d\u6b63\u786e",
    re.IGNORECASE,
)


# -- reading -----------------------------------------------------------------------------------------------------------
def _value(said: bytes | Any) -> Any:
    """The object or list in a refusal, else its text."""
    if not isinstance(said, bytes):
        return said
    said = said.removeprefix(BOM)
    if len(said) <= _JSON_BYTES:
        try:
            value = orjson.loads(said)
        except orjson.JSONDecodeError:
            pass
        else:
            if isinstance(value, dict | list):
                return value
    return said[:_TEXT_BYTES].decode("utf-8", "replace")


def _levels(value: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The objects of a refusal that describe the error, the innermost first."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict) or depth > _DEPTH:
        return
    for name in _ERRORS:
        yield from _levels(value.get(name), depth + 1)
    yield value


def _message(value: Any) -> str | None:
    """The message for people. A gateway adds what the server behind it said (``metadata.raw``)."""
    for level in _levels(value):
        for name in _MESSAGES:
            text = level.get(name)
            if isinstance(text, str) and text:
                more = level.get("metadata")
                raw = more.get("raw") if isinstance(more, dict) else None
                return f"{text}: {raw}" if isinstance(raw, str) and raw and raw not in text else text
    return None


def _strings(value: Any) -> list[str]:
    """The server's own words anywhere in a refusal, codes and types included."""
    found: list[str] = []
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack and len(found) < _STRINGS:
        each, depth = stack.pop()
        if isinstance(each, str):
            found.append(each[:_CHARACTERS])
        elif depth < _DEPTH and isinstance(each, dict):
            inner = [(item, depth + 1) for name, item in each.items() if name not in _NOT_ITS_WORDS]
            stack += reversed(inner)
        elif depth < _DEPTH and isinstance(each, list):
            stack += [(item, depth + 1) for item in reversed(each[:_STRINGS])]
    return found


def _plain(text: str) -> str:
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text[:_PLAIN]).lower()
    text = re.sub(r"[`'\"*\\]", "", text.replace("_", " "))
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = " ".join(text.split())
    # vLLM's advice on pictures, which it gives whatever the prompt held.
    text = re.sub(r"make sure that max model len is no smaller than\b.*", "", text)
    # A heading that says nothing of the prompt.
    return re.sub(r"\b(input )?validation( error)?:?|invalid input:?|input should be", "", text)
