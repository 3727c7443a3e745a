"""Redeem and verify bootstrap tokens over HTTP: a token opens a browser's session, and nginx verifies it (G-40, V-56).

1. Tokens and cookies are accepted only in a body and a header: a target would be in every log on its way.
2. A token is consumed when it is redeemed.
3. Attempts are limited for each client by itself, as nginx names it: 32 random bytes cannot be guessed, but a flood
   must not be free, and must not lock others out. Without `X-Real-IP` all clients are one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from warren.commands.effects.effect import Effects
from warren.commands.providers.bootstrap import TOKEN, holder, redeem
from warren.http.message import HttpError, Request, Response, json_response
from warren.http.router import Route
from warren.ratelimit import RateLimit
from warren.strictjson import parse_object

COOKIE = "__Host-warren-bootstrap"
"""A browser keeps a cookie with this prefix for this host only, and sends it only over TLS (RFC 6265bis, 4.1.3.2)."""
REDEEM_PER_MINUTE = 120  # of one address, which a whole office may share
VERIFY_PER_MINUTE = 12_000  # nginx verifies each request of a page

Perform = Callable[[Effects[Any]], Awaitable[Any]]
"""Performs effects that belong to no command, and returns their result."""


class BootstrapRoutes:
    """Redeem and verify; `now` is a clock in seconds that never goes back."""

    def __init__(self, perform: Perform, now: Callable[[], float]) -> None:
        self._perform = perform
        self._now = now
        self._redeem_limit = RateLimit(REDEEM_PER_MINUTE)
        self._verify_limit = RateLimit(VERIFY_PER_MINUTE)

    def routes(self) -> tuple[Route, ...]:
        """Return the rows to register."""
        return (
            Route("POST", "/bootstrap/redeem", self._redeem, action=None),
            Route("GET", "/bootstrap/verify", self._verify, action=None),
        )

    async def _redeem(self, request: Request) -> Response:
        """Redeem the `bootstrap_token` of a form or JSON for a session and its cookie: 403 if it is invalid."""
        self._take_token(self._redeem_limit, request)
        token = _token(request)
        session = await self._perform(redeem(token)) if TOKEN.problem(token) is None else None
        if session is None:
            raise HttpError(403, "bootstrap.unknown", "unknown or already redeemed bootstrap_token")
        cookie = f"{COOKIE}={session.cookie}; Max-Age={session.seconds}; Path=/; Secure; HttpOnly; SameSite=Strict"
        members = {"username": session.username, "session_id": session.session_id, "expires_in": session.seconds}
        return json_response(200, members, (("Set-Cookie", cookie),))

    async def _verify(self, request: Request) -> Response:
        """Return 204 with `X-Warren-User` and `X-Warren-Session` for a valid cookie, else 401."""
        self._take_token(self._verify_limit, request)
        cookie = _cookie(request.headers.get("cookie", ""))
        session = await self._perform(holder(cookie)) if TOKEN.problem(cookie) is None else None
        if session is None:
            raise HttpError(401, "bootstrap.unknown", "unknown or expired session")
        headers = (("X-Warren-User", str(session["username"])), ("X-Warren-Session", str(session["session_id"])))
        return Response(204, b"", headers=headers)

    def _take_token(self, limit: RateLimit, request: Request) -> None:
        """Count one attempt of a client. Raises HttpError."""
        if not limit.try_take(request.source, self._now()):
            raise HttpError(429, "bootstrap.rate", "rate limit exceeded", (("Retry-After", "10"),))


def _token(request: Request) -> str:
    """Return the token of a form or of JSON. Raises HttpError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            token = parse_object(request.body).get("bootstrap_token")
        elif kind == "application/x-www-form-urlencoded":
            [token] = parse_qs(request.body.decode("ascii"), max_num_fields=4).get("bootstrap_token", [""])
        else:
            raise HttpError(415, "http.type", "expected a form or JSON with bootstrap_token")
    except ValueError as error:
        raise HttpError(400, "http.body", "expected a form or JSON with one bootstrap_token") from error
    return token if isinstance(token, str) else ""


def _cookie(header: str) -> str:
    """Return the value of the session cookie; empty if there is none, or more than one."""
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    values = [value for name, _, value in pairs if name == COOKIE]
    return values[0] if len(values) == 1 else ""
