"""Actions of the control socket about the agent as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from warren.local_client import Client
from warren.localapi.action import Action, Data
from warren.localapi.messages import Request
from warren.localapi.networks import Networks
from warren.localapi.views import listed
from warren.telemetry.conditions import Condition


class AgentActions:
    """Describe the agent by `info` and `conditions`, and stop it with `stop`."""

    def __init__(
        self,
        networks: Networks,
        info: Callable[[], Mapping[str, object]],
        conditions: Callable[[], Iterable[Condition]],
        stop: Callable[[], None],
    ) -> None:
        self._networks = networks
        self._info = info
        self._conditions = conditions
        self._request_stop = stop

    def actions(self) -> tuple[Action, ...]:
        """Return the rows to register."""
        return (
            Action("list", self._list, read_only=True),
            Action("info", self._get_info, read_only=True),
            Action("ping", self._ping, read_only=True),
            Action("stop", self._stop, event="agent.stop"),
        )

    async def _list(self, _request: Request, _client: Client, now: float) -> Data:
        """Return all networks, and the agent's conditions as `{name, severity, message}`.

        Response: `{networks, conditions}`
        """
        conditions = [
            {"name": condition.name, "severity": condition.severity.value, "message": condition.sentence}
            for condition in self._conditions()
        ]
        return {"networks": [listed(view, now) for view in self._networks.views()], "conditions": conditions}

    async def _get_info(self, _request: Request, _client: Client, _now: float) -> Data:
        """Describe the agent and count the requests that it has rejected.

        Response: `{version, protocol_version, pid, config, socket, http, requests_rejected}`
        """
        return dict(self._info())

    async def _ping(self, _request: Request, _client: Client, _now: float) -> Data:
        """Check that the agent answers.

        Response: `{pong}`
        """
        return {"pong": True}

    async def _stop(self, _request: Request, _client: Client, _now: float) -> Data:
        """Stop the agent and remove what it created (H-22); the response is sent first.

        Response: `{stopping}`
        """
        self._request_stop()
        return {"stopping": True}
