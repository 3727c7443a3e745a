"""Routing, access and errors of HTTP requests."""

from __future__ import annotations

import asyncio
import json

import pytest

from warren.errors import HostError, InputError, StateError, WarrenError
from warren.http.auth import Access
from warren.http.message import HttpError, Request, Response, json_response
from warren.http.router import HttpRouter, Route

pytestmark = pytest.mark.unit


async def echo(request: Request) -> Response:
    return json_response(200, {"method": request.method})


ROUTES = (
    Route("GET", "/item", echo, is_public=True),
    Route("DELETE", "/item", echo),
    Route("POST", "/make", echo),
)


def ask(router: HttpRouter, method: str, target: str, *, trusted: bool = True, **headers: str) -> Response:
    return asyncio.run(router.respond(Request(method, target, {"host": "localhost", **headers}, trusted)))


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
    response = ask(HttpRouter(ROUTES, Access()), method, target)
    assert (response.status, dict(response.headers).get("Allow")) == (status, allowed)


def test_router_names_the_known_paths() -> None:
    message = json.loads(ask(HttpRouter(ROUTES, Access()), "GET", "/nothing").body)["error"]["message"]
    assert message == "unknown path '/nothing'; expected /item, /make"


@pytest.mark.security
def test_router_requires_the_token_over_tcp_except_on_public_routes() -> None:
    router = HttpRouter(ROUTES, Access("t" * 43))
    bearer = {"authorization": f"Bearer {'t' * 43}"}
    assert ask(router, "GET", "/item", trusted=False).status == 200
    assert ask(router, "DELETE", "/item", trusted=False).status == 401
    assert ask(router, "DELETE", "/item", trusted=False, **bearer).status == 200
    assert ask(router, "GET", "/item", trusted=False, origin="http://localhost", **bearer).status == 403


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

    response = ask(HttpRouter([Route("GET", "/", fail)], Access()), "GET", "/")
    assert (response.status, json.loads(response.body)["error"]["code"]) == (status, code)
