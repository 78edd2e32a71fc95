"""How well acts and facts are recognised in free English, on labelled utterances (benchmarks/utterances/).

    python -m benchmarks.speech_acts [--errors ACT]

For each act that the project recognises, and for facts, on the open set and on the one kept aside:

    precision     of what is called True, the share that performs the act
    recall        of what performs the act, the share that is not called False
    sure          of what performs the act, the share that is called True
    unsure        of all utterances, the share of which the recogniser does not say (None)
    false         of what is called False, the share that does not perform the act

``agrees_heard`` and ``gives_in_heard`` also get the message that the utterance answers. ``--errors`` prints what is
recognised wrongly in the open set; of the other no text is ever printed. A set that is not there is left
out. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.told import Meaning, told

UTTERANCES = Path(__file__).with_name("utterances")
#: The second is measured only, and not there while a new one is being written.
SETS = tuple(which for which in ("open", "aside") if (UTTERANCES / which).is_dir())


class Act(NamedTuple):
    """Who performs an act, the labels of utterances that do, and what recognises it."""

    speaker: str
    labels: frozenset[str]
    recognise: Callable[..., bool | None]
    heard: bool = False


ACTS: dict[str, Act] = {
    "refuses": Act("agent", frozenset({"refuses"}), speech.refuses),
    "claims_done": Act("agent", frozenset({"claims_done"}), speech.reports_done),
    "announces_write": Act("agent", frozenset({"announces_write"}), speech.promises_write),
    "asks_to_confirm": Act("agent", frozenset({"asks_to_confirm"}), speech.asks_to_confirm),
    "hands_over": Act("agent", frozenset({"hands_over"}), speech.hands_over),
    "announces_hand_over": Act("agent", frozenset({"hands_over", "offers_hand_over"}), speech.announces_hand_over),
    "offers_more": Act("agent", frozenset({"offers_more"}), speech.offers_more),
    "agrees": Act("customer", frozenset({"agrees"}), speech.says_yes),
    "agrees_heard": Act("customer", frozenset({"agrees"}), speech.says_yes, heard=True),
    "gives_in": Act("customer", frozenset({"gives_in"}), speech.gives_in),
    "gives_in_heard": Act("customer", frozenset({"gives_in"}), speech.gives_in, heard=True),
}
FACTS = "facts"
MEANINGS = {"refund": Meaning.REFUND, "charge": Meaning.CHARGE}


def rows(which: str, kind: str) -> list[dict[str, Any]]:
    """The labelled rows of a set: of agents, customers or facts."""
    return [json.loads(line) for line in (UTTERANCES / which / f"{kind}.jsonl").read_text("utf-8").splitlines()]


def has(which: str, act: str) -> bool:
    """Whether a set holds rows for an act."""
    return (UTTERANCES / which / f"{ACTS[act].speaker if act in ACTS else FACTS}.jsonl").exists()


def judged(which: str, act: str) -> Iterator[tuple[str, bool, bool | None]]:
    """Text, label and what was recognised, for each row that could perform the act."""
    if act == FACTS:
        for row in rows(which, FACTS):
            meaning = MEANINGS.get(row["fact"]["meaning"], Meaning.ANY)
            yield " / ".join(row["texts"]), row["told"], told(row["texts"], row["fact"]["value"], meaning)
        return
    speaker, labels, recognise, heard = ACTS[act]
    for row in rows(which, speaker):
        given = (row["text"], row["before"]) if heard else (row["text"],)
        yield row["text"], not labels.isdisjoint(row["acts"]), recognise(*given)


def measured(which: str, act: str) -> dict[str, float]:
    """Counts and shares of one act."""
    found = [(label, seen) for _, label, seen in judged(which, act)]
    performed = [seen for label, seen in found if label]
    called_true = [label for label, seen in found if seen]
    called_false = [label for label, seen in found if seen is False]
    shares = {
        "precision": sum(called_true) / max(1, len(called_true)),
        "recall": 1 - performed.count(False) / max(1, len(performed)),
        "sure": performed.count(True) / max(1, len(performed)),
        "unsure": sum(seen is None for _, seen in found) / len(found),
        "false": called_false.count(False) / max(1, len(called_false)),
    }
    return {"of": len(found), "performed": len(performed), **{name: round(share, 3) for name, share in shares.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", choices=[*ACTS, FACTS], metavar="ACT", help=f"of: {', '.join([*ACTS, FACTS])}")
    given = parser.parse_args()
    if given.errors:
        for text, label, seen in judged("open", given.errors):
            if seen is not None and seen != label:
                print("missed:" if label else "seen where there is none:", " ".join(text.split()))
    figures = {which: {act: measured(which, act) for act in [*ACTS, FACTS] if has(which, act)} for which in SETS}
    print(json.dumps({"benchmark": "speech_acts", **figures}))


if __name__ == "__main__":
    main()
