"""The door by which a bootstrap secret opens a browser's session, for nginx to ask at (G-40, V-56).

| path               | method | answers                                                                        |
|--------------------|--------|--------------------------------------------------------------------------------|
| /bootstrap/redeem  | POST   | consumes `bootstrap_token` of a form or JSON; sets the cookie; 403 if it is none |
| /bootstrap/verify  | GET    | 204 with `X-Warren-User` and `X-Warren-Session` for a cookie that holds; else 401 |

A secret and a cookie come in a body and a header alone: a target stands in every log on the way. Attempts are counted
together, whoever makes them: 32 random octets are not guessed, but a flood should cost its sender.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from warren.commands.admission import Rate
from warren.commands.effects.effect import Effects
from warren.commands.providers.bootstrap import TOKEN, holder, redeem
from warren.http.message import RefusedError, Request, Response, json_response
from warren.strictjson import parse_object

COOKIE = "__Host-warren-bootstrap"
"""A browser keeps one of this prefix for this host alone, and sends it over TLS alone (RFC 6265bis section 4.1.3.2)."""
REDEEM_PER_MINUTE = 120
VERIFY_PER_MINUTE = 60_000  # nginx asks at each request of a page

Play = Callable[[Effects[Any]], Awaitable[Any]]
"""Performs effects that are no command's, and gives what comes of them."""


class BootstrapPages:
    """Answers requests; `now` is a clock in seconds that does not go back."""

    def __init__(self, play: Play, now: Callable[[], float]) -> None:
        self._play = play
        self._now = now
        self._redeeming = Rate(REDEEM_PER_MINUTE)
        self._verifying = Rate(VERIFY_PER_MINUTE)

    async def answer(self, request: Request) -> Response:
        """Never raises for what a client sends."""
        try:
            return await self._route(request)
        except RefusedError as refusal:
            return refusal.response

    async def _route(self, request: Request) -> Response:
        match request.method, request.split().path:
            case "POST", "/bootstrap/redeem":
                return await self._redeem(request)
            case "GET" | "HEAD", "/bootstrap/verify":
                return await self._verify(request)
            case _, "/bootstrap/redeem" | "/bootstrap/verify":
                raise RefusedError(405, "http.method", "expected POST to redeem, GET to verify")
            case _:
                raise RefusedError(404, "http.path", "expected /bootstrap/redeem or /bootstrap/verify")

    async def _redeem(self, request: Request) -> Response:
        self._spend(self._redeeming)
        token = _token(request)
        session = await self._play(redeem(token)) if TOKEN.problem(token) is None else None
        if session is None:
            raise RefusedError(403, "bootstrap.unknown", "that opens nothing, or has opened it already")
        cookie = f"{COOKIE}={session.cookie}; Max-Age={session.seconds}; Path=/; Secure; HttpOnly; SameSite=Strict"
        told = {"username": session.username, "session_id": session.session_id, "expires_in": session.seconds}
        return json_response(200, told, (("Set-Cookie", cookie),))

    async def _verify(self, request: Request) -> Response:
        self._spend(self._verifying)
        cookie = _cookie(request.headers.get("cookie", ""))
        found = await self._play(holder(cookie)) if TOKEN.problem(cookie) is None else None
        if found is None:
            raise RefusedError(401, "bootstrap.unknown", "there is no such session, or not any more")
        who = (("X-Warren-User", str(found["username"])), ("X-Warren-Session", str(found["session_id"])))
        return Response(204, b"", headers=who)

    def _spend(self, rate: Rate) -> None:
        now = self._now()
        if not rate.has("", now):
            raise RefusedError(429, "bootstrap.rate", "too many in the last minute", (("Retry-After", "10"),))
        rate.spend("", now)


def _token(request: Request) -> str:
    """Of a form or of JSON. Raises RefusedError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            found = parse_object(request.body).get("bootstrap_token")
        elif kind == "application/x-www-form-urlencoded":
            [found] = parse_qs(request.body.decode("ascii"), max_num_fields=4).get("bootstrap_token", [""])
        else:
            raise RefusedError(415, "http.type", "expected a form or JSON with bootstrap_token")
    except ValueError as error:
        raise RefusedError(400, "http.body", "expected a form or JSON with one bootstrap_token") from error
    return found if isinstance(found, str) else ""


def _cookie(header: str) -> str:
    """The value of ours; one of two is none."""
    pairs = (pair.strip().partition("=") for pair in header.split(";"))
    values = [value for name, _, value in pairs if name == COOKIE]
    return values[0] if len(values) == 1 else ""
