"""Check which requests may be served.

1. On every listener, a request that may change something is rejected if a browser sent it for a page of another origin
   (cross-site request forgery): behind a proxy, a Unix socket receives the requests of browsers, too.
2. Over TCP, no page of a browser gets a response (H-67): a request with an `Origin` or from another site is rejected,
   and so is one whose `Host` does not name this host. A page could otherwise resolve its own name to this host's
   address (DNS rebinding).
3. Where a token is required, it is compared in constant time.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from warren.errors import redacted_repr
from warren.http.message import HttpError, Request
from warren.local_client import Token

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
"""The methods that change nothing (RFC 9110 section 9.2.1)."""
OWN_SITES = frozenset(("same-origin", "none"))
"""The values of `Sec-Fetch-Site` for a page of this origin, and for an address that a person has typed."""
LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Access:
    """Hold what a request over TCP must present."""

    token: str | None = None
    """The token after `Authorization: Bearer`; with None, no request is served where a token is required."""
    admin_token: str | None = None
    """The token for requests that change something."""
    names: frozenset[str] = frozenset()
    """Names of this host other than those of the loopback, in lower case."""
    addresses: bool = False
    """True if every IP address counts as a name of this host, because more than the loopback is served.

    DNS rebinding needs a name that is no address."""

    def __repr__(self) -> str:
        return f"Access(names={sorted(self.names)}, addresses={self.addresses})"


def verify_same_origin(request: Request) -> None:
    """Check that no page of another origin has sent a request that may change something. Raises HttpError.

    A browser adds `Sec-Fetch-Site` or at least `Origin` to such a request, and no page can remove them (Fetch, section
    3.2). Other programs send neither.
    """
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        return
    if site not in OWN_SITES if site is not None else not _is_origin_of(origin or "", request.headers.get("host", "")):
        raise HttpError(403, "http.origin", "requests from pages of another origin are not allowed")


def verify_not_a_browser(request: Request, access: Access) -> None:
    """Check that no page of a browser can have sent a request. Raises HttpError."""
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none":
        raise HttpError(403, "http.origin", "requests from web pages are not allowed")
    # Where the target is absolute it names the host (RFC 9112 section 3.2.2); what a browser sends has Host always.
    for host in (request.headers.get("host"), request.split().netloc):
        if host and not _is_own_name(_host_name(host), access):
            raise HttpError(403, "http.host", _unknown_host(host, access))


def verify_token(request: Request, access: Access) -> Token:
    """Return which token a request has, compared in constant time for tokens of one length. Raises HttpError."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer"
    for token, expected in ((Token.ADMIN, access.admin_token), (Token.READ, access.token)):
        is_equal = expected is not None and hmac.compare_digest(given.strip().encode(), expected.encode())
        if is_bearer and is_equal:
            return token
    problem = "expected `Authorization: Bearer TOKEN` with the token of the agent's token file, or its Unix socket"
    raise HttpError(401, "http.token", problem, (("WWW-Authenticate", 'Bearer realm="warren"'),))


def _is_origin_of(origin: str, host: str) -> bool:
    """Return whether an `Origin` is that of the `Host`. The scheme is not compared: a proxy ends TLS."""
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _unknown_host(host: str, access: Access) -> str:
    names = ", ".join(sorted(access.names | LOOPBACK_NAMES)) + (" or an IP address" if access.addresses else "")
    return f"unknown host {redacted_repr(host)}; expected {names}; add other names of this host to [http] names"


def _host_name(host: str) -> str:
    """Return a host without its port, and without the brackets of IPv6."""
    return (host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]).lower().removesuffix(".")


def _is_own_name(name: str, access: Access) -> bool:
    return name in LOOPBACK_NAMES or name in access.names or (access.addresses and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
