"""Finish reasons of all servers: whose answer it is, and what becomes of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from t2t_dist.config.settings import AnswerLimits
from t2t_dist.models.answers import BadAnswer
from t2t_dist.models.completion import BrokenOff, EmptyAnswer, ErrorInside, FullContext, parse_completion
from t2t_dist.models.finish_reasons import TABLE, Ending, ending_of


def answer(reason: Any, text: str | None = "I have chang", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason, **more}
    return orjson.dumps({"choices": [choice]})


def test_no_word_stands_in_the_table_twice() -> None:
    words = [word for _, row, _ in TABLE for word in row.split()]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    "reason", ["stop", "tool_calls", "eos_token", "STOP", "end_turn", "COMPLETE", "stop_word", "eot_id", "task-done"]
)
def test_an_answer_that_the_model_ended_is_taken(reason: str) -> None:
    reply = parse_completion(answer(reason), "c")
    assert (reply.content, reply.finish_reason) == ("I have chang", reason)


def test_a_server_that_never_names_an_end_is_believed() -> None:
    data = orjson.dumps({"choices": [{"message": {"role": "assistant", "content": "Good day."}}]})
    assert parse_completion(data, "c").content == "Good day."


@pytest.mark.parametrize("reason", [None, "", "null", "unknown", "FINISH_REASON_UNSPECIFIED", "new_word", "flux"])
def test_an_answer_whose_end_nobody_knows_is_none_unless_the_settings_know_it(reason: Any) -> None:
    with pytest.raises(BadAnswer, match=r"models\.answer\.finish_reasons"):
        parse_completion(answer(reason), "c")
    assert ending_of({"finish_reason": reason, "native_finish_reason": "STOP"})[0] is Ending.COMPLETE
    assert ending_of({"finish_reason": "stop", "native_finish_reason": reason})[0] is Ending.COMPLETE


@pytest.mark.parametrize("reason", [None, "new_word"])
def test_the_settings_can_name_more_words_for_a_whole_answer(reason: str | None) -> None:
    limits = AnswerLimits(finish_reasons=[reason])
    assert parse_completion(answer(reason), "c", limits).finish_reason == "stop"
    with pytest.raises(BadAnswer):
        parse_completion(answer("another_word"), "c", limits)
    with pytest.raises(BrokenOff):
        parse_completion(answer("abort"), "c", AnswerLimits(finish_reasons=["abort"]))


@pytest.mark.parametrize(
    "reason", ["length", "max_tokens", "MAX_TOKENS", "FINISH_REASON_MAX_TOKENS", "REASON_MAX_LEN", "model_length"]
)
def test_an_answer_that_a_limit_ended_is_taken_as_cut(reason: str) -> None:
    assert parse_completion(answer(reason), "c").finish_reason == "length"


@pytest.mark.parametrize(
    "reason",
    [
        "abort",
        "aborted",
        "error",
        "ERROR",
        "cancelled",
        "network_error",
        "insufficient_system_resource",
        "timeout",
        "engine_shutdown",
        "preempted",
        "upstream-error",
        "gpu_out_of_memory",
        "rate_limited",
        "DEADLINE_EXCEEDED",
        "partial_response",
        {"type": "abort", "message": "killed"},
    ],
)
def test_an_answer_that_the_server_broke_off_is_none(reason: Any) -> None:
    with pytest.raises(BrokenOff):
        parse_completion(answer(reason), "c")
    with pytest.raises(BrokenOff):
        parse_completion(answer("stop", native_finish_reason=reason), "c")
    with pytest.raises(BrokenOff):
        parse_completion(answer("stop", provider_specific_fields={"native_finish_reason": reason}), "c")


@pytest.mark.parametrize(
    "reason",
    [
        "content_filter",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "refusal",
        "sensitive",
        "guardrail_intervened",
        "content_filter: RECITATION",
        "function_call_filter: MALFORMED_FUNCTION_CALL",
        "IMAGE_SAFETY",
    ],
)
def test_an_answer_that_a_filter_took_away_is_asked_for_again_with_another_seed(reason: str) -> None:
    with pytest.raises(EmptyAnswer):
        parse_completion(answer(reason), "c")


def test_a_full_context_is_one_only_where_nothing_was_said() -> None:
    with pytest.raises(FullContext):
        parse_completion(answer("model_context_window_exceeded", ""), "c")
    assert parse_completion(answer("model_context_window_exceeded"), "c").finish_reason == "length"


def test_every_row_of_the_table_means_what_it_says() -> None:
    for ending, words, _ in TABLE:
        for word in words.split():
            for written in (word, word.upper(), f"FINISH_REASON_{word}"):
                assert ending_of({"finish_reason": written})[0] is ending, written


def test_a_gateway_that_calls_an_error_stop_is_not_believed() -> None:
    assert ending_of({"finish_reason": "stop", "native_finish_reason": "STOP"})[0] is Ending.COMPLETE
    assert ending_of({"finish_reason": "stop", "native_finish_reason": "error"}) == (Ending.BROKEN, "error")


# -- errors in a 200 ---------------------------------------------------------------------------------------------------
MESSAGE = {"role": "assistant", "content": "I have chang"}


@pytest.mark.parametrize(
    ("body", "status", "partial"),
    [
        ({"choices": [{"message": MESSAGE, "finish_reason": "stop", "error": {"code": 502}}]}, 502, True),
        ({"choices": [{"error": {"code": 502}}]}, 502, True),
        ({"choices": [{"message": {**MESSAGE, "error": "cut off"}, "finish_reason": "stop"}]}, None, True),
        ({"choices": [{"message": MESSAGE}], "error": {"message": "gone", "type": "server_error"}}, 500, True),
        ({"choices": [{"message": MESSAGE}], "errors": [{"message": "gone", "code": 502}]}, 502, True),
        ({"choices": [{"message": MESSAGE}], "base_resp": {"status_code": 1027, "status_msg": "x"}}, None, True),
        ({"choices": [{"message": MESSAGE}], "success": False}, None, True),
        ({"choices": [{"message": MESSAGE}], "object": "error"}, None, True),
        ({"choices": [{"message": MESSAGE}], "type": "error"}, None, True),
        ({"choices": [{"message": MESSAGE}], "status": "failed"}, None, True),
        ({"choices": [{"message": MESSAGE}], "code": 500, "message": "x"}, 500, True),
        ({"choices": None, "error": {"code": 429, "message": "x"}}, 429, False),
        ({"choices": [], "error": "Too Many Requests"}, 429, False),
        ({"error": {"code": "401"}}, 401, False),
        ({"detail": "Service Unavailable"}, 503, False),
        ({"object": "error", "message": "no", "code": 400}, 400, False),
    ],
)
def test_an_error_in_a_200_is_found_where_it_stands(body: Any, status: int | None, partial: bool) -> None:
    with pytest.raises(ErrorInside) as caught:
        parse_completion(orjson.dumps(body), "c")
    assert (caught.value.status, caught.value.partial) == (status, partial)


@pytest.mark.parametrize("error", [None, {}, "", False, {"code": None, "message": ""}])
def test_a_field_for_errors_that_is_empty_is_no_error(error: Any) -> None:
    body = {
        "choices": [{"message": {**MESSAGE, "error": error}, "finish_reason": "stop", "error": error}],
        "error": error,
    }
    assert parse_completion(orjson.dumps(body), "c").content == "I have chang"
