"""One HTTP/1.1 exchange over a connected socket, for `warren curl`: a request without a body, and its response."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import h11

from warren._core import __version__
from warren.errors import InputError, RemoteError

CHUNK_BYTES = 64 << 10
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Url:
    """An address of the web."""

    scheme: str
    host: str
    port: int
    target: str
    """The path and the query."""

    @property
    def authority(self) -> str:
        """Return the value of `Host`: without the port that the scheme means."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(slots=True)
class Exchange:
    """A response so far: `body_bytes` grows as the body arrives."""

    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body_bytes: int = 0


def parse_url(text: str) -> Url:
    """Return a URL of http or https; without a scheme it is of http. Raises InputError."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise _malformed() from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None or port == 0:
        raise _malformed()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _malformed()
    return Url(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme], _target(parts))


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _malformed() -> InputError:
    return InputError("malformed URL; expected http://HOST[:PORT]/PATH or https://…", code="value.invalid")


def wrap_tls(connection: socket.socket, host: str) -> ssl.SSLSocket:
    """Return the connection with TLS, checked against the certificates that this host trusts. Raises OSError."""
    return ssl.create_default_context().wrap_socket(connection, server_hostname=host)


def fetch(connection: socket.socket, url: Url, method: str, take_body: Callable[[bytes], None]) -> Exchange:
    """Send a request and receive its response; `take_body` gets the body in parts.

    Raises OSError, and RemoteError for a response that is not HTTP/1.1 or ends too early.
    """
    machine = h11.Connection(h11.CLIENT)
    headers = [("Host", url.authority), ("User-Agent", f"warren/{__version__}"), ("Accept", "*/*")]
    request = h11.Request(method=method, target=url.target, headers=[*headers, ("Connection", "close")])
    connection.sendall((machine.send(request) or b"") + (machine.send(h11.EndOfMessage()) or b""))
    exchange = Exchange()
    try:
        while not isinstance(event := machine.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            match event:
                case h11.NEED_DATA:
                    machine.receive_data(connection.recv(CHUNK_BYTES))
                case h11.Response(status_code=status, reason=reason, headers=received):
                    exchange.status, exchange.reason = status, reason.decode("latin-1")
                    exchange.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in received]
                case h11.Data(data=data):
                    exchange.body_bytes += len(data)
                    take_body(bytes(data))
    except h11.RemoteProtocolError as error:
        raise RemoteError(f"invalid HTTP response: {error}", code="dial.failed") from error
    if not exchange.status:
        raise RemoteError("the server closed the connection without a response", code="dial.failed")
    return exchange
