"""What the local HTTP answers.

| path     | method | over TCP       | answers                                                          |
|----------|--------|----------------|------------------------------------------------------------------|
| /healthz | GET    | anyone         | health (H-58); 503 when unhealthy; `?format=text` is OK or not   |
| /health  | GET    | anyone         | health (P-41); 503 when unhealthy                                |
| /metrics | GET    | anyone         | metrics, in the format that `Accept` asks for                    |
| /peers   | GET    | with the token | all peers (P-42)                                                 |
| /info    | GET    | with the token | version, interfaces, configuration (P-44)                        |
| /reload  | POST   | with the token | reads the configuration again (P-43)                             |

HEAD is GET without the body. A Unix socket is its own permission: whoever can open it needs no token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from warren.errors import InputError, StateError, WarrenError, redacted_repr
from warren.http.auth import Access, verify_not_a_browser, verify_token
from warren.http.message import TEXT, RefusedError, Request, Response, json_response
from warren.localapi import http_views
from warren.localapi.networks import Networks, NetworkView
from warren.telemetry.conditions import Condition
from warren.telemetry.exposition import exposition
from warren.telemetry.health import Health, Status, judge
from warren.telemetry.metrics import Scrape, families
from warren.telemetry.sample import NetworkSample
from warren.telemetry.totals import Totals
from warren.tunnel.lifecycle import State


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table above."""

    method: str
    answer: Callable[[Request], Awaitable[Response]]
    open: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """All that it takes."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


class Pages:
    """Answers requests. `conditions` and `settings` are asked anew for each answer; neither may hold a secret."""

    def __init__(  # noqa: PLR0913 - each is said once, in main, by its name
        self,
        networks: Networks,
        *,
        now: Callable[[], float],
        version: str,
        access: Access,
        aliases: bool = False,
        conditions: Callable[[], Iterable[Condition]] = tuple,
        settings: Callable[[], Mapping[str, object]] = dict,
        rejected_requests: Callable[[], int] = int,
    ) -> None:
        self._networks = networks
        self._now = now
        self._version = version
        self._access = access
        self._aliases = aliases
        self._conditions = conditions
        self._settings = settings
        self._rejected_requests = rejected_requests
        self._totals = Totals()
        self._routes = {
            "/healthz": Route("GET", self._healthz, open=True),
            "/health": Route("GET", self._health, open=True),
            "/metrics": Route("GET", self._metrics, open=True),
            "/peers": Route("GET", self._peers),
            "/info": Route("GET", self._info),
            "/reload": Route("POST", self._reload),
        }

    async def answer(self, request: Request) -> Response:
        """Never raises for what a client sends, nor for what the agent refuses."""
        try:
            return await self._route(request).answer(request)
        except RefusedError as refusal:
            return refusal.response
        except WarrenError as error:
            return _failed(error)

    def _route(self, request: Request) -> Route:
        if not request.trusted:
            verify_not_a_browser(request, self._access)
        path = request.split().path
        route = self._routes.get(path)
        if route is None:
            raise RefusedError(
                404, "http.path", f"there is nothing at {redacted_repr(path)}; expected {', '.join(self._routes)}"
            )
        if request.method not in route.methods:
            problem = f"{path} does not take {request.method}; expected {' or '.join(route.methods)}"
            raise RefusedError(405, "http.method", problem, (("Allow", ", ".join(route.methods)),))
        if not (route.open or request.trusted):
            verify_token(request, self._access)
        return route

    async def _healthz(self, request: Request) -> Response:
        judged = self._judge()
        match request.query().get("format", "json"):
            case "text":
                return Response(_status_code(judged), _word(judged), TEXT)
            case "json":
                return json_response(_status_code(judged), http_views.healthz(judged))
            case other:
                raise RefusedError(
                    400, "http.format", f"there is no format {redacted_repr(other)}; expected json or text"
                )

    async def _health(self, _: Request) -> Response:
        judged = self._judge()
        return json_response(_status_code(judged), http_views.health(judged, self._samples()))

    async def _metrics(self, request: Request) -> Response:
        samples = self._samples()
        scrape = Scrape(samples, self._totals.add_up(samples), self._judge(), self._version, self._rejected_requests())
        content_type, body = exposition(families(scrape, aliases=self._aliases), request.headers.get("accept", ""))
        return Response(200, body, content_type)

    async def _peers(self, _: Request) -> Response:
        return json_response(200, http_views.peers(self._samples(), self._now()))

    async def _info(self, _: Request) -> Response:
        return json_response(200, http_views.info(self._networks.views(), self._version, self._settings()))

    async def _reload(self, _: Request) -> Response:
        await self._networks.reload()
        waiting = [*self._networks.waiting()]
        data = {"reloaded": True, "revision": None}
        return json_response(200, data | ({"restart_needed": waiting} if waiting else {}))

    def _samples(self) -> tuple[NetworkSample, ...]:
        return tuple(view.sample for view in self._networks.views())

    def _judge(self) -> Health:
        judged = [view.sample for view in self._networks.views() if _is_asked_for(view)]
        return judge(judged, self._now(), self._conditions())


def _is_asked_for(view: NetworkView) -> bool:
    """A network that nobody has asked for yet is no reason for concern."""
    return view.state is not State.UNINITIALIZED


def _status_code(judged: Health) -> int:
    return 503 if judged.status is Status.UNHEALTHY else 200  # H-61


def _word(judged: Health) -> bytes:
    return b"UNHEALTHY" if judged.status is Status.UNHEALTHY else b"OK"


def _failed(error: WarrenError) -> Response:
    match error:
        case InputError():
            status = 400
        case StateError():
            status = 409
        case _:
            status = 500
    return json_response(status, {"error": {"code": error.code, "message": str(error), "hint": error.hint}})
