"""Sentences for the scripted players: drawn by a seed, no wording twice while another is left, tidied to read well."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources

import yaml

from t2t_dist.environments.tidy import capitalised, tidy
from t2t_dist.environments.variants import all_variants

__all__ = ["Phrases", "agent_acts", "capitalised", "either", "in_turn", "tidy", "user_acts"]

#: From one on.
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
Acts = Mapping[str, Sequence[str]]
#: Ways to talk; the first word of a persona names one.
STYLES = ("brief", "friendly", "chatty", "formal", "impatient")
DEFAULT_STYLE = "friendly"
#: Characters at their beginning, and at their end, by which two wordings are alike to a listener.
_ALIKE, _ALIKE_AT_THE_END = 12, 12
_FIELD_AT_THE_END = re.compile(r"(?<=\S) \{\w+\}$")


@lru_cache(maxsize=1)
def _file() -> tuple[Acts, dict[str, Acts]]:
    text = resources.files(__package__).joinpath("phrases.yaml").read_text("utf-8")
    loaded = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    sides = {style: _acts(acts) for style, acts in [("agent", loaded["agent"]), *loaded["user"].items()]}
    return sides["agent"], {style: {**sides["any"], **sides[style]} for style in STYLES}


def _acts(acts: Acts) -> Acts:
    """The acts with all that their wordings in short stand for (``environments/variants.py``)."""
    return {act: all_variants(wordings) for act, wordings in acts.items()}


def agent_acts() -> Acts:
    """The agents' acts with their wordings."""
    return _file()[0]


def user_acts(persona: str) -> Acts:
    """The customers' acts with their wordings in the style of a persona, which is its first word."""
    match = re.match(r"\W*(\w+)", persona)
    style = match[1].lower() if match else DEFAULT_STYLE
    return _file()[1].get(style) or _file()[1][DEFAULT_STYLE]


class Phrases:
    """A drawer of wordings; the draws depend on the seed and on their order only."""

    def __init__(self, acts: Acts, rng: random.Random) -> None:
        self._acts, self.rng = acts, rng
        self._used: dict[str, list[str]] = {}

    def say(self, act: str, **values: str) -> str:
        """A wording of the act with its ``{fields}`` filled in."""
        return tidy(self.pick(self._acts[act], act).format(**values))

    def pick(self, options: Sequence[str], about: str) -> str:
        """One of the options; none like those drawn for the same ``about`` if another is there, else none that was
        drawn, and none like that drawn last."""
        start = int(self.rng.random() * len(options))
        in_order = [*options[start:], *options[:start]]
        used = self._used.setdefault(about, [])
        unlike = [text for text in in_order if not (used and _are_alike(text, used[-1]))]
        new = [text for text in unlike or in_order if text not in used]
        unlike_all = [text for text in new if not any(_are_alike(text, one) for one in used)]
        chosen = (unlike_all or new or unlike or in_order)[0]
        used.append(chosen)
        return chosen


def _are_alike(one: str, other: str) -> bool:
    one, other = (_FIELD_AT_THE_END.sub("", text) for text in (one, other))
    return one[:_ALIKE] == other[:_ALIKE] or one[-_ALIKE_AT_THE_END:] == other[-_ALIKE_AT_THE_END:]


def in_turn(parts: Iterable[str]) -> str:
    """Sentences one after the other; empty parts are dropped."""
    return " ".join(tidy(part) for part in parts if part)


def either(texts: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``; three or more with semicolons where the texts hold commas."""
    if len(texts) < 3:
        return " or ".join(texts)
    if any("," in text for text in texts):
        return f"{'; '.join(texts[:-1])}; or {texts[-1]}"
    return f"{', '.join(texts[:-1])} or {texts[-1]}"
