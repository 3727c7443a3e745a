"""Check which requests over TCP may be served.

1. No page of a browser gets a response (H-67): a request with an `Origin` is rejected, and so is one whose `Host` does
   not name this host. A page could otherwise resolve its own name to this host's address (DNS rebinding).
2. Where a token is required, it is compared in constant time.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address

from warren.http.message import HttpError, Request

LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Access:
    """Hold what a request over TCP must present."""

    token: str | None = None
    """The token after `Authorization: Bearer`; with None, no request is served where a token is required."""
    names: frozenset[str] = frozenset()
    """Names of this host other than those of the loopback, in lower case."""
    addresses: bool = False
    """True if every IP address counts as a name of this host, because more than the loopback is served.

    DNS rebinding needs a name that is no address."""

    def __repr__(self) -> str:
        return f"Access(names={sorted(self.names)}, addresses={self.addresses})"


def verify_not_a_browser(request: Request, access: Access) -> None:
    """Check that no page of a browser can have sent a request. Raises HttpError."""
    if "origin" in request.headers:
        raise HttpError(403, "http.origin", "requests from web pages are not allowed")
    # Where the target is absolute it names the host (RFC 9112 section 3.2.2); what a browser sends has Host always.
    for host in (request.headers.get("host"), request.split().netloc):
        if host and not _is_own_name(_host_name(host), access):
            raise HttpError(403, "http.host", f"unknown host {host!r}; expected localhost or 127.0.0.1")


def verify_token(request: Request, access: Access) -> None:
    """Check the token of a request, in constant time for tokens of one length. Raises HttpError."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    expected = access.token
    is_valid = expected is not None and hmac.compare_digest(given.strip().encode(), expected.encode())
    if scheme.lower() != "bearer" or not is_valid:
        problem = "expected `Authorization: Bearer TOKEN` with the token of the agent's token file, or its Unix socket"
        raise HttpError(401, "http.token", problem, (("WWW-Authenticate", 'Bearer realm="warren"'),))


def _host_name(host: str) -> str:
    """Return a host without its port, and without the brackets of IPv6."""
    return (host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]).lower()


def _is_own_name(name: str, access: Access) -> bool:
    return name in LOOPBACK_NAMES or name in access.names or (access.addresses and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
