"""Who may ask the local HTTP over TCP.

No page of a browser: a request with an `Origin` is refused, and so is a `Host` that is no name of this host, which is
how a page would make its own name lead here (DNS rebinding, H-67).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address

from warren.http.message import RefusedError, Request

LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Access:
    """What a request must bring."""

    token: str | None = None
    """After `Authorization: Bearer`; None lets nobody in where a token is needed."""
    names: frozenset[str] = frozenset()
    """Of this host, beside those of the loopback; in lower case."""
    addresses: bool = False
    """Whether any address names this host, as where it listens on more than the loopback: rebinding needs a name."""

    def __repr__(self) -> str:
        return f"Access(names={sorted(self.names)}, addresses={self.addresses})"


def verify_not_a_browser(request: Request, access: Access) -> None:
    """Raises RefusedError."""
    if "origin" in request.headers:
        raise RefusedError(403, "http.origin", "no page of a browser may ask this agent")
    # Where the target is absolute it names the host (RFC 9112 section 3.2.2); what a browser sends has Host always.
    for host in (request.headers.get("host"), request.split().netloc):
        if host and not _is_ours(_name(host), access):
            raise RefusedError(403, "http.host", f"{host!r} is no name of this host; expected localhost or 127.0.0.1")


def verify_token(request: Request, access: Access) -> None:
    """Takes as long for any wrong token of a length. Raises RefusedError."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    expected = access.token
    right = expected is not None and hmac.compare_digest(given.strip().encode(), expected.encode())
    if scheme.lower() != "bearer" or not right:
        problem = "expected `Authorization: Bearer TOKEN` with the token of the agent's token file, or its Unix socket"
        raise RefusedError(401, "http.token", problem, (("WWW-Authenticate", 'Bearer realm="warren"'),))


def _name(host: str) -> str:
    """Without the port, and without the brackets of IPv6."""
    return (host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]).lower()


def _is_ours(name: str, access: Access) -> bool:
    return name in LOOPBACK_NAMES or name in access.names or (access.addresses and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
