"""What the policy says about the order of calls: what no tool checks has to be looked up before."""

from __future__ import annotations

from ..rules import Before, Order

_RESERVATION = ("reservation_id",)
_LOOKED_UP = ("get_reservation_details",)

ORDER: list[Order] = [
    # Its cabin, when it was booked, what is insured, and what has been flown.
    Before(9, ("change_flights",), _LOOKED_UP, _RESERVATION),
    Before(17, ("add_insurance",), _LOOKED_UP, _RESERVATION),
    Before(21, ("cancel_reservation",), _LOOKED_UP, _RESERVATION),
    # That the flight went wrong, and for how many.
    Before(23, ("send_certificate",), ("get_flight_status",), ("flight_id",)),
    Before(24, ("send_certificate",), _LOOKED_UP, _RESERVATION),
]
