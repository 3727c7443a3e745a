"""Redeeming and verifying bootstrap tokens over HTTP, with the effects answered by the test."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from warren.commands.bootstrap_routes import COOKIE, REDEEM_PER_MINUTE, BootstrapRoutes
from warren.commands.effects.effect import Effects
from warren.commands.providers.bootstrap import Session
from warren.http.auth import Access
from warren.http.message import Request, Response
from warren.http.router import HttpRouter

pytestmark = pytest.mark.unit

TOKEN = "t" * 43
SESSION = Session("c" * 43, "ada", "s-1", 60)
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


class Endpoint:
    """Hold the router of a node where `TOKEN` can be redeemed and its cookie is valid."""

    def __init__(self) -> None:
        self.now = 0.0
        self.performed: list[Effects[Any]] = []
        self.outcome: object = None
        self.router = HttpRouter(BootstrapRoutes(self._perform, lambda: self.now).routes(), Access)

    async def _perform(self, effects: Effects[Any]) -> Any:
        self.performed.append(effects)
        return self.outcome

    def redeem(self, body: bytes, headers: dict[str, str]) -> Response:
        return self._ask(Request("POST", "/bootstrap/redeem", headers, trusted=True, body=body))

    def verify(self, cookie: str) -> Response:
        return self._ask(Request("GET", "/bootstrap/verify", {"cookie": cookie}, trusted=True))

    def _ask(self, request: Request) -> Response:
        return asyncio.run(self.router.respond(request))


@pytest.mark.parametrize(
    ("body", "headers"),
    [(json.dumps({"bootstrap_token": TOKEN}).encode(), JSON), (f"bootstrap_token={TOKEN}".encode(), FORM)],
)
def test_redeem_sets_the_cookie(body: bytes, headers: dict[str, str]) -> None:
    endpoint = Endpoint()
    endpoint.outcome = SESSION
    response = endpoint.redeem(body, headers)
    assert (response.status, json.loads(response.body)["username"]) == (200, "ada")
    attributes = dict(response.headers)["Set-Cookie"].split("; ")
    assert attributes[0] == f"{COOKIE}={SESSION.cookie}"
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Max-Age=60", "Path=/"} <= set(attributes)


@pytest.mark.security
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (f"bootstrap_token={TOKEN}".encode(), {"content-type": "text/plain"}, 415),
        (f"bootstrap_token={TOKEN}".encode(), {}, 415),
        (b"{", JSON, 400),
        (b"bootstrap_token=a&bootstrap_token=b", FORM, 400),
        (b"\xff", FORM, 400),
        (b"", FORM, 403),
        (b"[]", JSON, 400),
        (b'{"bootstrap_token": 5}', JSON, 403),
        (b"bootstrap_token=too-short", FORM, 403),
    ],
)
def test_redeem_rejects_malformed_tokens_without_a_look_at_the_store(
    body: bytes, headers: dict[str, str], status: int
) -> None:
    endpoint = Endpoint()
    endpoint.outcome = SESSION
    assert (endpoint.redeem(body, headers).status, endpoint.performed) == (status, [])


@pytest.mark.security
def test_redeem_rejects_an_unknown_token() -> None:
    assert Endpoint().redeem(f"bootstrap_token={TOKEN}".encode(), FORM).status == 403


@pytest.mark.security
@pytest.mark.parametrize("address", ["", "192.0.2.7", "2001:db8::7"])
def test_redeem_is_limited_for_each_client(address: str) -> None:
    endpoint = Endpoint()
    headers = {**FORM, "x-real-ip": address}
    statuses = {endpoint.redeem(b"bootstrap_token=x", headers).status for _ in range(REDEEM_PER_MINUTE)}
    limited = endpoint.redeem(b"bootstrap_token=x", headers)
    assert (statuses, limited.status, dict(limited.headers)["Retry-After"]) == ({403}, 429, "10")
    for other in ("192.0.2.8", "2001:db8:0:1::7"):
        assert endpoint.redeem(b"bootstrap_token=x", {**FORM, "x-real-ip": other}).status == 403
    endpoint.now += 1
    assert endpoint.redeem(b"bootstrap_token=x", headers).status == 403


@pytest.mark.security
def test_limit_of_an_ipv6_client_is_that_of_its_network() -> None:
    endpoint = Endpoint()
    addresses = [f"2001:db8::{n:x}" for n in range(REDEEM_PER_MINUTE + 1)]
    statuses = [endpoint.redeem(b"bootstrap_token=x", {**FORM, "x-real-ip": each}).status for each in addresses]
    assert (statuses[0], statuses[-1]) == (403, 429)


@pytest.mark.security
@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
def test_redeem_rejects_a_page_of_another_origin(headers: dict[str, str]) -> None:
    endpoint = Endpoint()
    endpoint.outcome = SESSION
    body = f"bootstrap_token={TOKEN}".encode()
    assert endpoint.redeem(body, {**FORM, "host": "vpn.example", **headers}).status == 403
    assert endpoint.performed == []
    own = {**FORM, "host": "vpn.example", "origin": "https://vpn.example", "sec-fetch-site": "same-origin"}
    assert endpoint.redeem(body, own).status == 200


@pytest.mark.security
def test_verify_names_the_session_of_one_cookie_only() -> None:
    endpoint = Endpoint()
    endpoint.outcome = {"username": "ada", "session_id": "s-1"}
    response = endpoint.verify(f"a=b; {COOKIE}={TOKEN}")
    assert (response.status, response.headers) == (204, (("X-Warren-User", "ada"), ("X-Warren-Session", "s-1")))
    assert endpoint.verify("").status == 401
    assert endpoint.verify(f"{COOKIE}={TOKEN}; {COOKIE}={TOKEN}").status == 401
    endpoint.outcome = None
    assert endpoint.verify(f"{COOKIE}={TOKEN}").status == 401
