"""When the first items of a session all fail alike, it is no use to go on."""

from __future__ import annotations

from t2t_dist.cluster.scheduling.first_items import FirstItems


def test_enough_that_fail_by_the_same_end_it() -> None:
    first = FirstItems(5)
    assert first.finished(0, {"engine_timeout": 3}) == ""
    assert first.finished(0, {"engine_unavailable": 4}) == "", "not alike yet"
    assert first.finished(0, {}) == ""
    assert first.finished(0, {"engine_unavailable": 2}) == "the first 6 items all failed, by engine_unavailable"


def test_one_result_and_it_goes_on_for_ever() -> None:
    first = FirstItems(5)
    assert first.finished(1, {"engine_timeout": 4}) == ""
    assert first.finished(0, {"engine_timeout": 400}) == ""


def test_it_can_be_turned_off() -> None:
    assert FirstItems(0).finished(0, {"engine_timeout": 400}) == ""
