"""Carries out what a client of the control socket asks (H-30 to H-37), and says who asked.

What an answer's `data` holds stands with each action. A request that changes something is logged before it is carried
out, with the client as the kernel knows it; one that is refused, or fails, is logged as well.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from warren.errors import InputError, StateError, WarrenError, redact, redacted_repr
from warren.local_client import Client
from warren.localapi.key_path_policy import verify_confined
from warren.localapi.messages import ErrorType, Failure, Request, Response, failure_of
from warren.localapi.networks import Networks, NetworkView
from warren.localapi.permissions import Permissions
from warren.localapi.views import listed, peer_entries, status
from warren.telemetry.conditions import Condition
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig

log = logging.getLogger(__name__)

Data = dict[str, object]
ParseConfig = Callable[[str, object], NetworkConfig]
Action = Callable[[Request, Client, float], Awaitable[Data]]

EVENTS = {
    "connect": "network.connect",
    "disconnect": "network.disconnect",
    "reload": "config.reload",
    "rotate_keys": "key.rotate",
    "stop": "agent.stop",
}
"""What changes something, and the name of its event."""
ROTATION_STEPS = ("prepare", "commit", "abort")
ON_THE_WAY = {"connect": State.STARTING, "disconnect": State.STOPPING}


class Handler:
    """All actions, over `networks`.

    `parse_config` makes a network of a name and the `config` of a request: it raises ConfigError. `info` is what the
    agent says of itself, `conditions` what there is to look at of it. Key files that a client names must stand in one
    of `key_directories`. `stop` tells the agent to end; without it there is no such action.
    """

    def __init__(  # noqa: PLR0913, each is said once, in main, by its name
        self,
        networks: Networks,
        parse_config: ParseConfig,
        info: Callable[[], Mapping[str, object]],
        *,
        permissions: Permissions,
        key_directories: Sequence[str],
        conditions: Callable[[], Iterable[Condition]] = tuple,
        stop: Callable[[], None] | None = None,
        commands: Mapping[str, Action] | None = None,
    ) -> None:
        self._networks = networks
        self._parse_config = parse_config
        self._info = info
        self._conditions = conditions
        self._permissions = permissions
        self._key_directories = tuple(key_directories)
        self._actions: dict[str, Action] = {
            "connect": self._connect,
            "disconnect": self._disconnect,
            "status": self._status,
            "reload": self._reload,
            "rotate_keys": self._rotate_keys,
            "list": self._list,
            "peers": self._peers,
            "info": self._tell_info,
            "ping": self._ping,
            **(commands or {}),
        }
        self._with_config = {"connect", "rotate_keys", *(commands or {})}
        self._tell_to_stop = stop
        if stop is not None:
            self._actions["stop"] = self._stop

    async def answer(self, request: Request, client: Client, now: float) -> Response:
        """Does it; `now` is in seconds since the Unix epoch. Never raises: what went wrong is the answer."""
        try:
            action = self._find(request)
            self._permissions.verify(client, request.action)
            self._record(request, client)
            return Response(request.id, await action(request, client, now))
        except WarrenError as error:
            failure = failure_of(error)
        except Exception:  # a mistake of ours in one request ends neither the tunnels nor the other clients
            log.exception("request.crashed", extra=_about(request, client))
            failure = Failure(ErrorType.INTERNAL, "a mistake in the agent itself; its log says more")
        level = logging.WARNING if request.action in EVENTS else logging.DEBUG
        extra = {"type": failure.type.value, "problem": failure.message}
        log.log(level, "request.refused", extra=_about(request, client) | extra)
        return Response(request.id, failure)

    def answer_on_the_way(self, request: Request) -> Response | None:
        """The answer to a `connect` or `disconnect` that was accepted and goes on; None for what must be waited for."""
        try:
            view = self._networks.view(request.network)
        except StateError:
            return None
        if view.state is not ON_THE_WAY.get(request.action):
            return None
        return Response(request.id, _connected(view) if request.action == "connect" else _stopped(view))

    def _find(self, request: Request) -> Action:
        action = self._actions.get(request.action)
        if action is None:
            problem = (
                f"action: {redacted_repr(request.action[:64])} is unknown; expected one of {', '.join(self._actions)}"
            )
            raise InputError(problem, code="request.malformed")
        if request.config is not None and request.action not in self._with_config:
            problem = f"config: {request.action} takes none; expected it with {' or '.join(sorted(self._with_config))}"
            raise InputError(problem, code="request.malformed")
        return action

    def _record(self, request: Request, client: Client) -> None:
        if request.action in EVENTS:
            log.info(EVENTS[request.action], extra=_about(request, client))

    async def _connect(self, request: Request, _client: Client, _now: float) -> Data:
        """`{network, state, interface, peers}`, the last a number."""
        config = None
        if request.config is not None:
            config = self._parse_config(request.network, request.config)
            verify_confined(config, self._key_directories)
        return _connected(await self._networks.connect(request.network, config))

    async def _disconnect(self, request: Request, _client: Client, _now: float) -> Data:
        """`{network, state}`."""
        return _stopped(await self._networks.disconnect(request.network))

    async def _status(self, request: Request, _client: Client, now: float) -> Data:
        """`{network, state, interface, peers{total, active, healthy, names}, traffic{tx_bytes, rx_bytes}}`."""
        return status(self._networks.view(request.network), now)

    async def _reload(self, request: Request, _client: Client, _now: float) -> Data:
        """`{network, state, reloaded}`. The whole configuration is read, whichever network is named; one that is not in
        it is `uninitialized`. `restart_needed` names the tables that count at the next start, if any were changed."""
        views = await self._networks.reload()
        states = {view.sample.name: view.state for view in views}
        state = states.get(request.network, State.UNINITIALIZED)
        waiting = [*self._networks.waiting()]
        data = {"network": request.network, "state": state.value, "reloaded": True}
        return data | ({"restart_needed": waiting} if waiting else {})

    async def _rotate_keys(self, request: Request, _client: Client, _now: float) -> Data:
        """`{network, step, public_key}`; the request's `config` may be `{"step": …}`, and is `prepare` else."""
        rotation = await self._networks.rotate(request.network, _rotation_step(request.config or {}))
        return {"network": rotation.network, "step": rotation.step, "public_key": rotation.public_key}

    async def _list(self, _request: Request, _client: Client, now: float) -> Data:
        """`{networks: […], conditions: […]}`: each network as `views.listed` has it, and what a person should look at
        of the agent itself, as `{name, severity, message}`. The request's `network` does not matter."""
        conditions = [
            {"name": each.name, "severity": each.severity.value, "message": each.sentence}
            for each in self._conditions()
        ]
        return {"networks": [listed(view, now) for view in self._networks.views()], "conditions": conditions}

    async def _peers(self, request: Request, _client: Client, now: float) -> Data:
        """`{network, peers: […]}`, each as `views.peer_entries` has it."""
        return {"network": request.network, "peers": peer_entries(self._networks.view(request.network), now)}

    async def _tell_info(self, _request: Request, _client: Client, _now: float) -> Data:
        """What the agent says of itself."""
        return dict(self._info())

    async def _stop(self, _request: Request, _client: Client, _now: float) -> Data:
        """`{stopping: true}`: the answer comes first, then all that the agent made goes (H-22)."""
        if self._tell_to_stop is not None:
            self._tell_to_stop()
        return {"stopping": True}

    async def _ping(self, _request: Request, _client: Client, _now: float) -> Data:
        """`{pong: true}`: the agent is there, and hears this client."""
        return {"pong": True}


def _connected(view: NetworkView) -> Data:
    sample = view.sample
    interface, peers = sample.interface, len(sample.peers)
    return {"network": sample.name, "state": view.state.value, "interface": interface, "peers": peers}


def _stopped(view: NetworkView) -> Data:
    return {"network": view.sample.name, "state": view.state.value}


def _rotation_step(config: Mapping[str, object]) -> str:
    step = config.get("step", ROTATION_STEPS[0])
    if step not in ROTATION_STEPS or config.keys() - {"step"}:
        problem = f'config: expected {{"step": …}} alone, with one of {", ".join(ROTATION_STEPS)}'
        raise InputError(problem, code="request.malformed")
    return str(step)


def _about(request: Request, client: Client) -> dict[str, object]:
    return {
        "action": redact(request.action),
        "network": redact(request.network),
        "uid": client.uid,
        "gid": client.gid,
        "pid": client.pid,
    }
