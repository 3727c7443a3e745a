"""Routing, access and errors of HTTP requests."""

from __future__ import annotations

import asyncio
import json

import pytest

from warren.errors import HostError, InputError, StateError, WarrenError
from warren.http.auth import Access
from warren.http.message import HttpError, Request, Response, json_response
from warren.http.router import HttpRouter, Route
from warren.local_client import Client, Token

pytestmark = pytest.mark.unit


async def echo(request: Request) -> Response:
    return json_response(200, {"method": request.method})


ROUTES = (
    Route("GET", "/item", echo, action=None),
    Route("DELETE", "/item", echo, action="delete"),
    Route("POST", "/make", echo, action="make"),
)
ROOT = Client(0, 0, 1)


def authorize(client: Client | Token, action: str) -> None:
    """Let root do all, and who has a token `delete`."""
    if client != ROOT and not (client in {Token.READ, Token.ADMIN} and action == "delete"):
        raise HostError(f"{action} is not allowed", code="request.denied")


def make(access: Access | None = None) -> HttpRouter:
    return HttpRouter(ROUTES, lambda: access or Access(), authorize)


def ask(router: HttpRouter, method: str, target: str, *, trusted: bool = True, **headers: str) -> Response:
    return ask_as(ROOT, router, method, target, trusted=trusted, **headers)


def ask_as(
    client: Client | None, router: HttpRouter, method: str, target: str, *, trusted: bool = True, **headers: str
) -> Response:
    request = Request(method, target, {"host": "localhost", **headers}, trusted, client=client if trusted else None)
    return asyncio.run(router.respond(request))


@pytest.mark.parametrize(
    ("method", "target", "status", "allowed"),
    [
        ("GET", "/item", 200, None),
        ("HEAD", "/item?x=1", 200, None),
        ("DELETE", "/item", 200, None),
        ("POST", "/make", 200, None),
        ("POST", "/item", 405, "GET, HEAD, DELETE"),
        ("GET", "/make", 405, "POST"),
        ("GET", "/", 404, None),
        ("GET", "/item/", 404, None),
        ("get", "/item", 405, "GET, HEAD, DELETE"),
    ],
)
def test_router_finds_the_route_by_method_and_path(method: str, target: str, status: int, allowed: str | None) -> None:
    response = ask(make(), method, target)
    assert (response.status, dict(response.headers).get("Allow")) == (status, allowed)


def test_router_names_the_known_paths() -> None:
    message = json.loads(ask(make(), "GET", "/nothing").body)["error"]["message"]
    assert message == "unknown path '/nothing'; expected /item, /make"


@pytest.mark.security
def test_router_requires_the_token_over_tcp_except_on_public_routes() -> None:
    router = make(Access("t" * 43))
    bearer = {"authorization": f"Bearer {'t' * 43}"}
    assert ask(router, "GET", "/item", trusted=False).status == 200
    assert ask(router, "DELETE", "/item", trusted=False).status == 401
    assert ask(router, "DELETE", "/item", trusted=False, **bearer).status == 200
    assert ask(router, "GET", "/item", trusted=False, origin="http://localhost", **bearer).status == 403


@pytest.mark.security
def test_router_asks_for_the_permission_of_the_action_on_each_listener() -> None:
    router = make(Access("t" * 43))
    denied = ask(router, "POST", "/make", trusted=False, authorization=f"Bearer {'t' * 43}")
    assert (denied.status, json.loads(denied.body)["error"]["code"]) == (403, "request.denied")
    assert ask(router, "POST", "/make").status == 200
    assert ask_as(Client(1000, 1000, 1), router, "POST", "/make").status == 403
    assert ask_as(None, router, "POST", "/make").status == 403
    assert ask_as(None, router, "GET", "/item").status == 200
    assert ask(HttpRouter(ROUTES, Access), "POST", "/make").status == 403


@pytest.mark.security
def test_router_rejects_changes_for_pages_of_another_origin_on_each_path_and_listener() -> None:
    for trusted in (True, False):
        for path in ("/make", "/nothing"):
            response = ask(make(), "POST", path, trusted=trusted, **{"sec-fetch-site": "cross-site"})
            assert (response.status, json.loads(response.body)["error"]["code"]) == (403, "http.origin")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HttpError(429, "x.rate", "too fast"), 429, "x.rate"),
        (InputError("bad", code="request.malformed"), 400, "request.malformed"),
        (StateError("no", code="network.invalid_state"), 409, "network.invalid_state"),
        (HostError("no", code="host.refused"), 500, "host.refused"),
    ],
)
def test_router_maps_errors_of_handlers_to_responses(error: WarrenError | HttpError, status: int, code: str) -> None:
    async def fail(_request: Request) -> Response:
        raise error

    response = ask(HttpRouter([Route("GET", "/", fail, action=None)], Access), "GET", "/")
    assert (response.status, json.loads(response.body)["error"]["code"]) == (status, code)
