"""Errors of the client: every one is an `HqError`, whether the server said it or the client found it out."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Union

ErrorData = Mapping[str, Union[str, int, float]]


class HqError(Exception):
    """A refused request or a server that cannot be used.

    `code` is one of docs/errors.md (`HQ_E_JOB_NOT_FOUND`), `message` is one line, `hint` says what to do next and may
    be empty, `data` holds the values in the message.
    """

    def __init__(self, code: str, message: str, hint: str = "", data: Optional[ErrorData] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.data: Dict[str, Union[str, int, float]] = dict(data or {})

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ServerUnavailable(HqError):
    """No server answers now; the same request may succeed later. `sent`: the lost request may have been carried out."""

    def __init__(self, code: str, message: str, hint: str = "", *, sent: bool = False) -> None:
        super().__init__(code, message, hint)
        self.sent = sent
