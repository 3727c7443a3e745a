"""Whole HTTP requests and responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, parse_qs, urlsplit

from warren.errors import redacted_repr
from warren.local_client import Client

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
# A browser that gets a response all the same neither guesses its type, nor caches it, nor embeds it.
GUARDS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one request; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    trusted: bool = False
    """True if it was received on a Unix socket."""
    body: bytes = field(default=b"", repr=False)
    """May hold a secret."""
    client: Client | None = None
    """The process at the other end of a Unix socket."""
    address: str = ""
    """The address of the client over TCP."""

    @property
    def source(self) -> str:
        """Return whom a rate limit counts: an address, of IPv6 its /64, which is what one customer has.

        A proxy in front of a Unix socket names its client as `X-Real-IP`. Over TCP anybody could write that header.
        """
        text = self.headers.get("x-real-ip", "").strip() if self.trusted else self.address
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return ""
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or IPv6Network((address, 64), strict=False).network_address
        return str(address)

    def split(self) -> SplitResult:
        """Split the target: a path, or an absolute URL (RFC 9112 section 3.2). Raises HttpError."""
        if self.target.startswith("/"):  # urlsplit would take what follows two slashes for a host
            path, _, query = self.target.partition("?")
            return SplitResult("", "", path, query, "")
        try:
            return urlsplit(self.target)
        except ValueError as error:
            problem = f"invalid target {redacted_repr(self.target)}; expected a path"
            raise HttpError(400, "http.target", problem) from error

    def query(self) -> Mapping[str, str]:
        """Return the last value of each key of the query. Raises HttpError."""
        return {key: values[-1] for key, values in parse_qs(self.split().query).items()}


@dataclass(frozen=True, slots=True)
class Response:
    """Hold one response."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Headers = GUARDS


class HttpError(Exception):
    """Reject a request with this response."""

    def __init__(self, status: int, code: str, problem: str, headers: Headers = ()) -> None:
        super().__init__(problem)
        self.response = json_response(status, {"error": {"code": code, "message": problem}}, headers)


def json_response(status: int, document: object, headers: Headers = ()) -> Response:
    """Return a response with the document as indented JSON, in ASCII: curl shows it on a terminal as it is."""
    body = json.dumps(document, indent=2, allow_nan=False) + "\n"
    return Response(status, body.encode(), JSON, GUARDS + headers)
