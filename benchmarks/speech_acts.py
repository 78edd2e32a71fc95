"""How well acts and facts are recognised in free English, on labelled utterances (benchmarks/utterances/).

    python -m benchmarks.speech_acts [--errors ACT]

For each act that the project recognises, and for facts: precision and recall on the open set and on the one kept aside.
``--errors`` prints what is recognised wrongly in the open set; of the other no text is ever printed. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from t2t_dist.core import speech_acts as speech
from t2t_dist.core.told import Meaning, told

UTTERANCES = Path(__file__).with_name("utterances")
SETS = ("open", "aside")
#: Act -> who performs it, and what recognises it.
ACTS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "refuses": ("agent", speech.refuses),
    "claims_done": ("agent", speech.reports_done),
    "announces_write": ("agent", speech.promises_write),
    "asks_to_confirm": ("agent", speech.asks_to_confirm),
    "hands_over": ("agent", speech.hands_over),
    "offers_more": ("agent", speech.offers_more),
    "agrees": ("customer", speech.says_yes),
    "gives_in": ("customer", speech.gives_in),
}
FACTS = "facts"
MEANINGS = {"refund": Meaning.REFUND, "charge": Meaning.CHARGE}


def rows(which: str, kind: str) -> list[dict[str, Any]]:
    """The labelled rows of a set: of agents, customers or facts."""
    return [json.loads(line) for line in (UTTERANCES / which / f"{kind}.jsonl").read_text("utf-8").splitlines()]


def judged(which: str, act: str) -> Iterator[tuple[str, bool, bool]]:
    """Text, label and what was recognised, for each row that could perform the act."""
    if act == FACTS:
        for row in rows(which, FACTS):
            meaning = MEANINGS.get(row["fact"]["meaning"], Meaning.ANY)
            yield " / ".join(row["texts"]), row["told"], told(row["texts"], row["fact"]["value"], meaning)
        return
    speaker, recognise = ACTS[act]
    for row in rows(which, speaker):
        yield row["text"], act in row["acts"], bool(recognise(row["text"]))


def measured(which: str, act: str) -> dict[str, float]:
    """Counts of one act, with its precision and recall."""
    found = [(label, seen) for _, label, seen in judged(which, act)]
    both = sum(label and seen for label, seen in found)
    performed, recognised = sum(label for label, _ in found), sum(seen for _, seen in found)
    precision, recall = both / max(1, recognised), both / max(1, performed)
    return {"of": len(found), "performed": performed, "precision": round(precision, 3), "recall": round(recall, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", choices=[*ACTS, FACTS], metavar="ACT", help=f"of: {', '.join([*ACTS, FACTS])}")
    given = parser.parse_args()
    if given.errors:
        for text, label, seen in judged("open", given.errors):
            if label != seen:
                print("missed:" if label else "seen where there is none:", " ".join(text.split()))
    figures = {which: {act: measured(which, act) for act in [*ACTS, FACTS]} for which in SETS}
    print(json.dumps({"benchmark": "speech_acts", **figures}))


if __name__ == "__main__":
    main()
