"""Third-party text: nothing in it becomes markup, nothing in it is invisible."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2t_dist.view.text import arguments_of, hue, laid_out, spent, visible
from tests.support import hostile

SPAN = re.compile(r'<span class="ctl" title="U\+[0-9A-F]{4,6} [a-z0-9 \-]+">[^<]+</span>')
JOINERS, HIDING = "\u200d\ufe0f\ufe0e", ("Cc", "Cf", "Zl", "Zp", "Co")
# Letters, marks and signs of all scripts, with a good share of what hides.
hidden = st.sampled_from("\x00\x07\x1b\r\x7f\x85\xad\u200b\u200d\u200e\u202e\u2066\u2028\ufeff\ufe0f\ue000\U000e0041")
texts = st.lists(st.text(max_size=5) | hidden | st.sampled_from(hostile.MARKUP)).map("".join)


@settings(max_examples=40)
@given(texts)
def test_all_markup_is_our_own(text: str) -> None:
    assert not re.search(r"[<>\"']", SPAN.sub("", str(visible(text))))


@settings(max_examples=40)
@given(texts)
def test_what_acts_or_hides_is_never_passed_on(text: str) -> None:
    shown = SPAN.sub("\n", str(visible(text)))
    for before, character in zip("\n" + shown, shown, strict=False):
        if character in JOINERS:
            assert before > "\u2000"
            assert before != character
        else:
            assert character in "\n\t" or unicodedata.category(character) not in HIDING, repr(character)


@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "M", "Zl", "Zp"], max_codepoint=0x2FF)))
def test_plain_text_stays_what_it_is(text: str) -> None:
    if not re.search("[\x80-\xa0\xad]", text):
        assert html.unescape(str(visible(text))) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a\x1b[31m", ">ESC</span>"),
        ("a\x00", ">NUL</span>"),
        ("\u202egnp", "U+202E right-to-left override"),
        ("\u200bx", "U+200B zero width space"),
        ("x\u200dy", "U+200D zero width joiner"),
        ("a\xa0b", "U+00A0 no-break space"),
    ],
)
def test_the_unseen_has_its_name(text: str, name: str) -> None:
    assert name in str(visible(text))


def test_emoji_hold_together_and_letters_are_not_piled_up() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f"
    assert str(visible(family)) == family
    assert len(str(visible(hostile.PILED))) < 20
    assert str(visible("\u2764" + "\ufe0f" * 40)).count("U+FE0F") == 2 * 39
    assert str(visible("e\u0301a\u0308")) == "e\u0301a\u0308"


def test_json_is_laid_out_and_other_text_is_not() -> None:
    assert laid_out('{"a":[1,2]}') == '{\n  "a": [\n    1,\n    2\n  ]\n}'
    for text in ("{not json", "plain", "", hostile.DEEP, "[" + "1," * 100_000 + "1]"):
        assert laid_out(text) == text


def test_arguments_that_are_no_object_are_none() -> None:
    assert arguments_of('{"a": 1}') == {"a": 1}
    assert arguments_of("") == {}
    assert [arguments_of(text) for text in ("[1]", "{", "null", hostile.DEEP)] == [None] * 4


def test_times_and_colours() -> None:
    assert [spent(s) for s in (0.0021, 2.04, 600.0, 7200.0, None, float("nan"))] == [
        "2 ms",
        "2.0 s",
        "10 min",
        "2.0 h",
        "",
        "",
    ]
    assert hue("ab" * 16) == hue("ab" * 16) != hue("ac" * 16)
    assert hue("<script>") == hue("")
