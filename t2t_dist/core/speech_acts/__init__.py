"""Speech acts in what agents and customers write, recognised without a model and without knowing the domain.

Used wherever a message has to be understood: by the scripted user and agents, the mention check, triggers, process
checks and grading. They handle what language models write (markdown, lists, typographic characters) as well as
template sentences. Each act is True, False, or None where the words don't say: a caller that needs to be sure can
treat None as it treats False, one that must not accuse anybody can tell them apart.

``lexicon`` and ``clauses`` are the grammar. ``refusing``, ``doing``, ``confirming``, ``handing_over`` and ``offering``
hold the agent's acts, ``customer`` the customer's, ``asking`` what is asked for. All are pure functions; results are
cached for short texts that came lately.
"""

from __future__ import annotations

from t2t_dist.core.text_match import mentions, normalised, numbers, says_number

from .asking import asks_anything, asks_for
from .confirming import asks_to_confirm
from .customer import gives_in, says_yes
from .doing import promises_write, reports_done
from .handing_over import announces_hand_over, hands_over
from .offering import offers_more
from .refusing import refuses
from .sentences import sentences

__all__ = [
    "announces_hand_over",
    "asks_anything",
    "asks_for",
    "asks_to_confirm",
    "gives_in",
    "hands_over",
    "mentions",
    "normalised",
    "numbers",
    "offers_more",
    "promises_write",
    "refuses",
    "reports_done",
    "says_number",
    "says_yes",
    "sentences",
]
