"""The failure class that each lasting fault of the fake endpoint leads to."""

from __future__ import annotations

from t2t_dist.core.errors import FailureClass

#: Faults after which the client asks again, and the class a conversation fails with where they do not cease.
RETRIED = {
    "429": FailureClass.ENGINE_UNAVAILABLE,
    "500": FailureClass.ENGINE_UNAVAILABLE,
    "503": FailureClass.ENGINE_UNAVAILABLE,
    "reset": FailureClass.ENGINE_UNAVAILABLE,
    "half_body": FailureClass.ENGINE_BAD_RESPONSE,
    "not_json": FailureClass.ENGINE_BAD_RESPONSE,
    "wrong_schema": FailureClass.ENGINE_BAD_RESPONSE,
    **dict.fromkeys(
        ("empty", "aborted", "half_text", "filtered", "no_end", "half_stream"), FailureClass.ENGINE_BAD_RESPONSE
    ),
    "never": FailureClass.ENGINE_TIMEOUT,
}
#: What no retry can fix.
REJECTED = {"400": FailureClass.ENGINE_BAD_RESPONSE, "401": FailureClass.ENGINE_BAD_RESPONSE}
