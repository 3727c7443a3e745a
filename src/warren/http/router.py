"""Route HTTP requests to handlers, one row per method and path.

1. A request that may change something is rejected on every path and listener if a page of another origin sent it.
   Over TCP, a request that any page may have sent is rejected (H-67).
2. A route that is not public names the action whose permission it requires, of the client that the kernel reports or of
   the token that it presents.
3. HEAD is served by the handler of GET; the server leaves the body out.
4. An error becomes a response: 400 for an invalid request, 403 for a missing permission, 409 for a wrong state,
   else 500.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from warren.errors import InputError, StateError, WarrenError, redacted_repr
from warren.http.auth import Access, verify_not_a_browser, verify_same_origin, verify_token
from warren.http.message import HttpError, Request, Response, json_response
from warren.local_client import Client, Token

Handle = Callable[[Request], Awaitable[Response]]
"""Raises HttpError, WarrenError."""
Authorize = Callable[[Client | Token, str], None]
"""Checks that a client may request the action of that name. Raises WarrenError."""
DENIED = "request.denied"


@dataclass(frozen=True, slots=True)
class Route:
    """One resource and one method."""

    method: str
    path: str
    handle: Handle
    action: str | None
    """The action of the control socket whose permission it requires; None if whoever reaches it may request it."""

    @property
    def is_public(self) -> bool:
        """Return whether whoever reaches a listener may request it."""
        return self.action is None

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that the route serves."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


class HttpRouter:
    """Respond to requests by the routes of one endpoint."""

    def __init__(
        self, routes: Iterable[Route], access: Callable[[], Access], authorize: Authorize | None = None
    ) -> None:
        """`access` returns what requests must present now. `authorize` is required if a route names an action."""
        self._access = access
        self._authorize = authorize
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
        verify_same_origin(request)
        if not request.trusted:
            verify_not_a_browser(request, self._access())
        route = self._find_route(request.method, request.split().path)
        if route.action is not None:
            self._verify_permission(request, route.action)
        return route

    def _verify_permission(self, request: Request, action: str) -> None:
        """Check that the client of a request may request an action. Raises HttpError, WarrenError."""
        client = request.client if request.trusted else verify_token(request, self._access())
        if client is None or self._authorize is None:
            raise HttpError(403, DENIED, "the client is not known")
        self._authorize(client, action)

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
        case WarrenError(code=code) if code == DENIED:
            status = 403
        case _:
            status = 500
    return json_response(status, {"error": {"code": error.code, "message": str(error), "hint": error.hint}})
