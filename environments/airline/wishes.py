"""What customers of the airline want: how often they ask for each errand, what they change their minds to, and why."""

from __future__ import annotations

#: How often an errand is explored, beside the others: less for what everybody can have done.
WEIGHTS = {
    "book_reservation": 0.4,
    "change_flights": 1.0,
    "change_cabin": 1.0,
    "correct_passenger": 1.0,
    "add_checked_bags": 0.7,
    "add_insurance": 2.0,
    "cancel_reservation": 1.0,
    "send_certificate": 4.0,
}

#: For an errand, what a customer may want instead, and why.
INSTEAD = {
    "book_reservation": {
        "book_reservation": "I've looked at my plans again.",
    },
    "change_flights": {
        "change_flights": "That one doesn't suit me after all.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "change_cabin": {
        "change_cabin": "I've thought about the cabin again.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "correct_passenger": {
        "correct_passenger": "I misread that.",
    },
    "add_checked_bags": {
        "add_checked_bags": "I've counted our luggage again.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "add_insurance": {
        "add_insurance": "I'd rather pay for it in another way.",
        "cancel_reservation": "I'd rather not make the trip at all.",
    },
    "cancel_reservation": {
        "cancel_reservation": "That's not the one I meant.",
        "change_flights": "Another flight would do, I think.",
    },
    "send_certificate": {
        "send_certificate": "That's not the flight I meant.",
    },
}

#: Errands about how things are: who names another value has made a slip.
SLIPS = frozenset(("cancel_reservation", "correct_passenger", "send_certificate"))
