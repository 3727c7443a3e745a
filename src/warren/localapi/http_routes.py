"""Routes of the local HTTP: health, metrics, peers, and a reload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from warren.errors import redacted_repr
from warren.http.message import TEXT, HttpError, Request, Response, json_response
from warren.http.router import Route
from warren.localapi import http_views
from warren.localapi.networks import Networks, NetworkView
from warren.telemetry.conditions import Condition
from warren.telemetry.exposition import exposition
from warren.telemetry.health import Health, Status, assess
from warren.telemetry.metrics import Scrape, families
from warren.telemetry.sample import NetworkSample
from warren.telemetry.totals import Totals
from warren.tunnel.lifecycle import State


class LocalRoutes:
    """Show networks and health. `conditions` and `info` are read for each response; neither may hold a secret."""

    def __init__(  # noqa: PLR0913, each is passed once, by its name
        self,
        networks: Networks,
        *,
        now: Callable[[], float],
        version: str,
        aliases: bool = False,
        conditions: Callable[[], Iterable[Condition]] = tuple,
        info: Callable[[], Mapping[str, object]] = dict,
        rejected_requests: Callable[[], int] = int,
    ) -> None:
        self._networks = networks
        self._now = now
        self._version = version
        self._aliases = aliases
        self._conditions = conditions
        self._agent_info = info
        self._rejected_requests = rejected_requests
        self._totals = Totals()

    def routes(self) -> tuple[Route, ...]:
        """Return the rows to register."""
        return (
            Route("GET", "/healthz", self._healthz, action=None),
            Route("GET", "/health", self._health, action=None),
            Route("GET", "/metrics", self._metrics, action=None),
            Route("GET", "/peers", self._peers, action="peers"),
            Route("GET", "/info", self._info, action="info"),
            Route("POST", "/reload", self._reload, action="reload"),
        )

    async def _healthz(self, request: Request) -> Response:
        """Return the health of all networks (H-58): 503 when unhealthy; as one word with `?format=text`."""
        judged = self._judge()
        match request.query().get("format", "json"):
            case "text":
                return Response(_status_code(judged), _health_text(judged), TEXT)
            case "json":
                return json_response(_status_code(judged), http_views.healthz(judged))
            case other:
                raise HttpError(
                    400, "http.format", f"format: unknown format {redacted_repr(other)}; expected json or text"
                )

    async def _health(self, _: Request) -> Response:
        """Return the health as the Privateer interface has it (P-41): 503 when unhealthy."""
        judged = self._judge()
        return json_response(_status_code(judged), http_views.health(judged, self._samples()))

    async def _metrics(self, request: Request) -> Response:
        """Return the metrics, in the format that `Accept` requests."""
        samples = self._samples()
        scrape = Scrape(samples, self._totals.add_up(samples), self._judge(), self._version, self._rejected_requests())
        content_type, body = exposition(families(scrape, aliases=self._aliases), request.headers.get("accept", ""))
        return Response(200, body, content_type)

    async def _peers(self, _: Request) -> Response:
        """Return the peers of all networks (P-42)."""
        return json_response(200, http_views.peers(self._samples(), self._now()))

    async def _info(self, _: Request) -> Response:
        """Return the version, the interfaces and the configuration (P-44)."""
        return json_response(200, http_views.info(self._networks.views(), self._version, self._agent_info()))

    async def _reload(self, request: Request) -> Response:
        """Read the configuration again and apply the difference (P-43).

        With `?allow_empty=true` also if that removes every network, or every peer of one.
        """
        await self._networks.reload(allow_empty=_flag(request, "allow_empty"))
        pending = [*self._networks.tables_for_restart()]
        data = {"reloaded": True, "revision": None}
        return json_response(200, data | ({"restart_needed": pending} if pending else {}))

    def _samples(self) -> tuple[NetworkSample, ...]:
        return tuple(view.sample for view in self._networks.views())

    def _judge(self) -> Health:
        judged = [view.sample for view in self._networks.views() if _was_requested(view)]
        return assess(judged, self._now(), self._conditions())


def _was_requested(view: NetworkView) -> bool:
    """Return False for a network that nobody has tried to connect yet: it does not count for the health."""
    return view.state is not State.UNINITIALIZED


def _flag(request: Request, name: str) -> bool:
    """Return a parameter of the query, False if it is missing. Raises HttpError."""
    match request.query().get(name, "false"):
        case "true":
            return True
        case "false":
            return False
        case other:
            problem = f"{name}: unknown value {redacted_repr(other)}; expected true or false"
            raise HttpError(400, "http.query", problem)


def _status_code(judged: Health) -> int:
    return 503 if judged.status is Status.UNHEALTHY else 200  # H-61


def _health_text(judged: Health) -> bytes:
    return b"UNHEALTHY" if judged.status is Status.UNHEALTHY else b"OK"
