"""A request of the local HTTP as it came, and its answer, whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlsplit

from warren.errors import redacted_repr

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
# Should a browser come by all the same, it neither guesses a type, nor keeps, nor embeds what it gets.
GUARDS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked; names of headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    trusted: bool = False
    """Whether it came by the Unix socket."""
    body: bytes = field(default=b"", repr=False)
    """It may be a secret."""

    def split(self) -> SplitResult:
        """The target in its parts: a path, or an absolute URL (RFC 9112 section 3.2). Raises RefusedError."""
        if self.target.startswith("/"):  # urlsplit would take what follows two slashes for a host
            path, _, query = self.target.partition("?")
            return SplitResult("", "", path, query, "")
        try:
            return urlsplit(self.target)
        except ValueError as error:
            raise RefusedError(
                400, "http.target", f"{redacted_repr(self.target)} is no target; expected a path"
            ) from error

    def query(self) -> Mapping[str, str]:
        """The last value of each key. Raises RefusedError."""
        return {key: values[-1] for key, values in parse_qs(self.split().query).items()}


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Headers = GUARDS


class RefusedError(Exception):
    """A request that gets no answer but this."""

    def __init__(self, status: int, code: str, problem: str, headers: Headers = ()) -> None:
        super().__init__(problem)
        self.response = json_response(status, {"error": {"code": code, "message": problem}}, headers)


def json_response(status: int, document: object, headers: Headers = ()) -> Response:
    """The document as JSON that people can read."""
    body = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return Response(status, body.encode(errors="replace"), JSON, GUARDS + headers)
