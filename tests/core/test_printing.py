"""What is printed acts on no terminal, hides nothing and holds no key, whatever it quotes."""

from __future__ import annotations

import base64
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2t_dist.core.errors import EpisodeFailure, InputError
from t2t_dist.core.printing import LINE, keep_secret, masked, one_line, printable
from tests.support import hostile

KEY = keep_secret("sk-live/7Qm+2vXh9Lr4Tz81bWc6")
SHORT = keep_secret("pw-9x2k")
anything = st.text(st.characters(categories=["C", "L", "M", "N", "P", "S", "Z"])) | st.text(
    "ab \n\t\r\x1b[\u202e\u2028"
)


@given(anything)
def test_nothing_acts_or_hides_and_every_character_keeps_its_place(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(character in "\n\t" or character.isprintable() for character in shown)
    assert printable(shown) == shown
    kept = [(a, b) for a, b in zip(text, shown, strict=True) if unicodedata.category(a)[0] in "LNP" and a.isprintable()]
    assert all(a == b or a in "\u115f\u1160\u3164\uffa0" for a, b in kept)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]0;title\x07b", "a\ufffd]0;title\ufffdb"),
        ("\x9b31m\x85", "\ufffd31m\ufffd"),
        ("pay \u202e00.5 \u2066\u200b\ufeff", "pay \ufffd00.5 \ufffd\ufffd\ufffd"),
        ("10\u202f000\xa0kg\u3000", "10 000 kg "),
        ("half \ud800, tag \U000e0041, filler \u3164", "half \ufffd, tag \ufffd, filler \ufffd"),
        ("\u2764\ufe0f na\u00efve \u4f60\u597d\n\tx", "\u2764\ufe0f na\u00efve \u4f60\u597d\n\tx"),
    ],
)
def test_each_kind(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(anything)
def test_a_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= LINE
    assert one_line(line) == line


def test_a_long_line_says_that_it_is_cut() -> None:
    assert one_line("x" * 10 * LINE).endswith("xxx ...")
    assert len(one_line(" \n" * 1_000_000)) <= LINE


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_key_is_masked_wherever_it_stands(before: str, after: str) -> None:
    forms = [KEY, quote(KEY, safe=""), KEY[:12], KEY[-9:], SHORT]
    forms += [base64.b64encode(f"{'u' * n}{KEY}{'v' * n}".encode()).decode() for n in range(4)]
    forms.append(base64.urlsafe_b64encode(f"Bearer {KEY}".encode()).decode())
    for form in forms:
        shown = masked(f"{before}{form}{after}")
        pieces = {form[at : at + 8] for at in range(len(form) - 7)} if len(form) > 8 else {form}
        ours = {piece for piece in pieces if piece in masked(form)}  # the neighbours of a key in base64
        assert not {piece for piece in pieces - ours if piece in shown and piece not in before + after}
        assert "***" in shown


def test_what_is_no_key_stays() -> None:
    keep_secret("EMPTY")  # what servers on this machine are given
    text = f"the answer is EMPTY; {KEY[:7]}, sk-live, pw-9x2"
    assert masked(text) == text


def test_an_error_is_one_clean_line_whatever_it_quotes() -> None:
    said = f"it lists: {hostile.CONTROLS}{hostile.BIDI}\r\nerror: forged\n{KEY}"
    line = str(InputError(said))
    assert line.isprintable()
    assert "error: forged ***" in line
    assert str(EpisodeFailure(f"refused {KEY}")) == "refused ***"
