"""The vendor's refusals, in its own shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GraphError(Exception):
    """An answer `{"error": {code, message, innerError}}` with an HTTP status."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def body(self, stamp: Mapping[str, str]) -> dict[str, Any]:
        """`stamp` is the innerError: date, request-id, client-request-id."""
        return {"error": {"code": self.code, "message": self.message, "innerError": dict(stamp)}}


class LoginError(Exception):
    """An answer of the login host: OAuth's shape with Entra's numbers."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(f"{status} {error}: AADSTS{number}")
        self.status = status
        self.error = error
        self.number = number
        self.message = message


def not_found(message: str = "The specified object was not found in the store.") -> GraphError:
    return GraphError(404, "ErrorItemNotFound", message)


def malformed_id() -> GraphError:
    return GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")


def bad_body(message: str) -> GraphError:
    return GraphError(400, "RequestBodyRead", message)


def bad_url(message: str) -> GraphError:
    return GraphError(400, "RequestBroker--ParseUri", message)


def denied() -> GraphError:
    return GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")


def conflict() -> GraphError:
    return GraphError(
        412,
        "ErrorIrresolvableConflict",
        "The send or update operation could not be performed because the change key passed in the request does not "
        "match the current change key for the item.",
    )


def throttled(limit: str, seconds: int) -> GraphError:
    return GraphError(
        429, "ApplicationThrottled", f"Application is over its {limit} limit.", {"Retry-After": str(max(1, seconds))}
    )


def too_large() -> GraphError:
    return GraphError(413, "RequestEntityTooLarge", "Maximum request length exceeded.")
