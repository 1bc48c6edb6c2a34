"""Graph's refusals as our errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.model.errors import (
    MailboxFull,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Refused,
    Stale,
    TandemError,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.outlook.errors import code_of, error, seconds

Kind = type[TandemError]

BOTH: list[tuple[int, str, Kind]] = [
    (404, "ErrorItemNotFound", NotFound),
    (404, "ErrorSyncFolderNotFound", NotFound),
    (400, "ErrorInvalidIdMalformed", NotFound),
    (404, "MailboxNotEnabledForRESTAPI", NotPermitted),
    (404, "ErrorInvalidUser", NotPermitted),
    (404, "Request_ResourceNotFound", NotPermitted),
    (403, "ErrorAccessDenied", NotPermitted),
    (403, "Authorization_RequestDenied", NotPermitted),
    (403, "ExtensionError", NotPermitted),
    (401, "InvalidAuthenticationToken", NotPermitted),
    (401, "", NotPermitted),
    (409, "ErrorIrresolvableConflict", Stale),
    (412, "ErrorIrresolvableConflict", Stale),
    (507, "ErrorQuotaExceeded", MailboxFull),
    (403, "ErrorQuotaExceeded", MailboxFull),
    (429, "ApplicationThrottled", Throttled),
    (429, "", Throttled),
    (410, "SyncStateNotFound", Unavailable),
    (400, "syncStateInvalid", Unavailable),
    (400, "ResyncRequired", Unavailable),
    (500, "ErrorCorruptData", Refused),
    (400, "ErrorInvalidRecipients", Refused),
    (500, "ErrorCannotOpenFileAttachment", Refused),
]
EFFECT: list[tuple[int, str, Kind]] = [
    (404, "ResourceNotFound", NotFound),
    (409, "Conflict", Stale),
    (412, "", Stale),
    (413, "RequestEntityTooLarge", TooLarge),
    (507, "", MailboxFull),
    (400, "BadRequest", Refused),
    (410, "", Refused),
]
"""To a read these say nothing: it is tried again."""


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize(("status", "code", "kind"), BOTH)
def test_a_refusal_has_one_meaning(status: int, code: str, kind: Kind, effect: bool) -> None:
    found = error("a message", status, {}, {"error": {"code": code}}, effect)
    assert type(found) is kind
    assert found.code == (code or str(status))


@pytest.mark.parametrize(("status", "code", "kind"), EFFECT)
def test_an_effect_is_refused_where_a_read_only_learns_nothing(status: int, code: str, kind: Kind) -> None:
    body = {"error": {"code": code}}
    assert type(error("a message", status, {}, body, effect=True)) is kind
    assert type(error("a message", status, {}, body, effect=False)) is Unavailable


@pytest.mark.parametrize("code", ["ApplicationThrottled", "ErrorServerBusy"])
def test_a_busy_server_does_not_say_that_an_effect_was_not_done(code: str) -> None:
    assert type(error("a message", 503, {}, {"error": {"code": code}}, effect=True)) is OutcomeUnknown


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 302])
def test_an_answer_that_says_neither_yes_nor_no_leaves_an_effect_unknown(status: int) -> None:
    assert type(error("a message", status, {}, b"", effect=True)) is OutcomeUnknown
    assert type(error("a message", status, {}, b"", effect=False)) is Unavailable


@pytest.mark.parametrize("body", [b"<html>not here</html>", {"error": {"code": "UnknownError"}}])
def test_a_404_without_a_known_code_does_not_say_that_an_item_is_not_there(body: Any) -> None:
    assert type(error("a message", 404, {}, body, effect=False)) is Unavailable


def test_the_wait_that_the_vendor_asks_for_is_passed_on() -> None:
    assert error("x", 429, {"retry-after": "17"}, b"", effect=False).retry_after == 17.0
    assert error("x", 503, {"retry-after": "17"}, b"", effect=True).retry_after == 17.0
    assert error("x", 429, {}, b"", effect=False).retry_after is None


def test_the_text_names_what_was_asked_and_the_code_and_no_content() -> None:
    body = {"error": {"code": "ErrorItemNotFound", "message": "ann@contoso.example"}}
    assert str(error("a message", 404, {}, body, effect=False)) == "a message: Graph answered 404 ErrorItemNotFound"
    assert str(error("a message", 500, {}, b"", effect=False)) == "a message: Graph answered 500"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"code": "A"}}, "A"),
        (json.dumps({"error": {"code": "A", "innererror": {"code": "B"}}}).encode(), "A"),
        ({"error": {"code": 7}}, ""),
        ({"error": "A"}, ""),
        ([], ""),
        (None, ""),
        (b"{", ""),
    ],
)
def test_the_code_is_read_from_whatever_the_answer_holds(body: Any, code: str) -> None:
    assert code_of(body) == code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2.0),
        (" 120 ", 120.0),
        ("", None),
        (None, None),
        ("inf", None),
        ("-1", None),
        ("٣", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_whole_seconds_or_nothing(text: str | None, value: float | None) -> None:
    assert seconds(text) == value
