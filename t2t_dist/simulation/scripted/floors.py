"""Floor agents: they do no work, and measure what can be had for nothing.

Each follows one habit on every task, whatever the customer says. What such an agent gets is the floor of the data: 0;
for one that guesses no more than chance; for one that hands everybody over, what has to be handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from t2t_dist.core.schema import Change, GoldCall, Task
from t2t_dist.environments.base import Domain

from .flawed import Hasty
from .oracle import Oracle, Play


class OneSentence(Oracle):
    """Says sentences of one kind for ever, and calls nothing."""

    act: ClassVar[str]

    def play(self, opening: str) -> Play:
        while True:
            yield from self.say(self.phrases.say(self.act))


class Idle(OneSentence):
    """Is polite, and does nothing."""

    act = "idle"


class Liar(OneSentence):
    """Says that everything has been done."""

    act = "lie"


class Naysayer(OneSentence):
    """Says no to everything, without a reason and without a record."""

    act = "say_no"


class Passer(OneSentence):
    """Hands every customer over at once."""

    act = "handed_over"

    def play(self, opening: str) -> Play:
        if self.domain.transfer_tool:
            yield from self.hand_over()
        yield from super().play(opening)


class Guesser(Hasty):
    """Never asks, and takes the candidate in one place of the list."""

    place: ClassVar[int]

    def guess(self, arguments: Sequence[dict[str, Any]], meant: dict[str, Any]) -> dict[str, Any]:
        return arguments[min(self.place, len(arguments) - 1)]


class FirstGuess(Guesser):
    place = 0


class SecondGuess(Guesser):
    place = 1


class LastGuess(Guesser):
    place = -1


class UsualGuess(Guesser):
    """Never asks, and takes what customers mean most often: the first of the candidates that score highest."""

    def __init__(self, task: Task, domain: Domain, seed: int, score: Callable[[dict[str, Any]], float]) -> None:
        super().__init__(task, domain, seed)
        self._score = score

    def guess(self, arguments: Sequence[dict[str, Any]], meant: dict[str, Any]) -> dict[str, Any]:
        return max(arguments, key=self._score)


class FirstThenSecond(Oracle):
    """Carries out the first request unasked, and then serves the customer as the oracle does."""

    def follow_changes(self, goal: int, changes: Sequence[tuple[GoldCall, Change]], last: bool) -> Play:
        yield from self.propose_first(goal, changes[0][0])
        yield from self.perform(changes[0][0])
        self._prefix = []  # nobody is told
        yield from super().follow_changes(goal, changes, last)


#: Those that need to know no more than a task; an audit has the others too.
FLOORS: dict[str, type[Oracle]] = {
    "idle": Idle,
    "liar": Liar,
    "naysayer": Naysayer,
    "passer": Passer,
    "guess-first": FirstGuess,
    "guess-second": SecondGuess,
    "guess-last": LastGuess,
}
