"""Route HTTP requests to handlers, one row per method and path.

1. Over TCP, a request that a browser's page may have sent is rejected on every path (H-67).
2. Over TCP, a route that is not public requires the token. A Unix socket is its own permission.
3. HEAD is served by the handler of GET; the server leaves the body out.
4. An error of a handler becomes a response: 400 for an invalid request, 409 for a wrong state, else 500.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from warren.errors import InputError, StateError, WarrenError, redacted_repr
from warren.http.auth import Access, verify_not_a_browser, verify_token
from warren.http.message import HttpError, Request, Response, json_response

Handle = Callable[[Request], Awaitable[Response]]
"""Raises HttpError, WarrenError."""


@dataclass(frozen=True, slots=True)
class Route:
    """One resource and one method."""

    method: str
    path: str
    handle: Handle
    is_public: bool = False
    """True if it requires no token over TCP."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that the route serves."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


class HttpRouter:
    """Respond to requests by the routes of one endpoint."""

    def __init__(self, routes: Iterable[Route], access: Access) -> None:
        self._access = access
        self._paths: dict[str, list[Route]] = {}
        for route in routes:
            self._paths.setdefault(route.path, []).append(route)

    async def respond(self, request: Request) -> Response:
        """Return the response to a request. Raises nothing for what a client sends, nor for what a handler refuses."""
        try:
            return await self._authorized_route(request).handle(request)
        except HttpError as error:
            return error.response
        except WarrenError as error:
            return _error_response(error)

    def _authorized_route(self, request: Request) -> Route:
        """Return the route of a request. Raises HttpError."""
        if not request.trusted:
            verify_not_a_browser(request, self._access)
        route = self._find_route(request.method, request.split().path)
        if not (route.is_public or request.trusted):
            verify_token(request, self._access)
        return route

    def _find_route(self, method: str, path: str) -> Route:
        routes = self._paths.get(path)
        if routes is None:
            problem = f"unknown path {redacted_repr(path)}; expected {', '.join(self._paths)}"
            raise HttpError(404, "http.path", problem)
        for route in routes:
            if method in route.methods:
                return route
        allowed = [name for route in routes for name in route.methods]
        problem = f"{path} does not support {method}; expected {' or '.join(allowed)}"
        raise HttpError(405, "http.method", problem, (("Allow", ", ".join(allowed)),))


def _error_response(error: WarrenError) -> Response:
    match error:
        case InputError():
            status = 400
        case StateError():
            status = 409
        case _:
            status = 500
    return json_response(status, {"error": {"code": error.code, "message": str(error), "hint": error.hint}})
