"""The vendor's refusals, in its own shape."""

from __future__ import annotations


class Refusal(Exception):
    """`code` is detailErrorCode."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


def invalid(message: str) -> Refusal:
    return Refusal(400, "1001", f"invalid parameter: {message}")


def not_found(what: str) -> Refusal:
    return Refusal(404, f"{what}.notFound", f"the {what} does not exist")
