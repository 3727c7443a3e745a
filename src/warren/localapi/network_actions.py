"""Actions of the control socket that operate on networks (H-30 to H-37)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from warren.errors import InputError, StateError
from warren.local_client import Client
from warren.localapi.action import Action, Data
from warren.localapi.key_path_policy import verify_key_paths
from warren.localapi.messages import Request
from warren.localapi.networks import Networks, NetworkView
from warren.localapi.views import peer_entries, status
from warren.tunnel.lifecycle import State
from warren.tunnel.network import NetworkConfig

ROTATION_STEPS = ("prepare", "commit", "abort")

ParseConfig = Callable[[str, object], NetworkConfig]
"""Parses the `config` of a request into a network of that name. Raises ConfigError."""


class NetworkActions:
    """Operate on `networks`. A key file that a client names must be below one of `key_directories` (H-33)."""

    def __init__(self, networks: Networks, parse_config: ParseConfig, key_directories: Sequence[str]) -> None:
        self._networks = networks
        self._parse_config = parse_config
        self._key_directories = tuple(key_directories)

    def actions(self) -> tuple[Action, ...]:
        """Return the rows to register."""
        return (
            Action(
                "connect",
                self._connect,
                takes_config=True,
                event="network.connect",
                interim_data=self._connecting,
            ),
            Action("disconnect", self._disconnect, event="network.disconnect", interim_data=self._disconnecting),
            Action("status", self._status, read_only=True),
            Action("reload", self._reload, takes_config=True, event="config.reload"),
            Action("rotate_keys", self._rotate_keys, takes_config=True, event="key.rotate"),
            Action("peers", self._peers, read_only=True),
        )

    async def _connect(self, request: Request, _client: Client, _now: float) -> Data:
        """Bring a network up, as configured or with the request's own `config`.

        Config: a network, with camelCase names
        Response: `{network, state, interface, peers}`
        """
        config = None
        if request.config is not None:
            config = self._parse_config(request.network, request.config)
            verify_key_paths(config, self._key_directories)
        return _connect_data(await self._networks.connect(request.network, config))

    def _connecting(self, request: Request) -> Data | None:
        view = self._view_in(State.STARTING, request.network)
        return None if view is None else _connect_data(view)

    async def _disconnect(self, request: Request, _client: Client, _now: float) -> Data:
        """Take a network down.

        Response: `{network, state}`
        """
        return _disconnect_data(await self._networks.disconnect(request.network))

    def _disconnecting(self, request: Request) -> Data | None:
        view = self._view_in(State.STOPPING, request.network)
        return None if view is None else _disconnect_data(view)

    def _view_in(self, state: State, network: str) -> NetworkView | None:
        """Return a network while it is in a state, or None."""
        try:
            view = self._networks.view(network)
        except StateError:
            return None
        return view if view.state is state else None

    async def _status(self, request: Request, _client: Client, now: float) -> Data:
        """Return the state, peers and traffic of a network.

        Response: `{network, state, interface, peers, traffic}`
        """
        return status(self._networks.view(request.network), now)

    async def _reload(self, request: Request, _client: Client, _now: float) -> Data:
        """Read the whole configuration again and apply the difference.

        The state of a network that is not configured is `uninitialized`. `restart_needed` is there if tables changed
        that take effect after a restart. A file that would remove every network, or every peer of one, is rejected
        unless `allowEmpty` is true.

        Config: `{"allowEmpty": BOOLEAN}`
        Response: `{network, state, reloaded, restart_needed}`
        """
        views = await self._networks.reload(allow_empty=_allow_empty(request.config or {}))
        states = {view.sample.name: view.state for view in views}
        state = states.get(request.network, State.UNINITIALIZED)
        data = {"network": request.network, "state": state.value, "reloaded": True}
        pending = [*self._networks.tables_for_restart()]
        return data | ({"restart_needed": pending} if pending else {})

    async def _rotate_keys(self, request: Request, _client: Client, _now: float) -> Data:
        """Take one step of a key rotation, `prepare` by default.

        Config: `{"step": STEP}`: `prepare`, `commit` or `abort`
        Response: `{network, step, public_key}`
        """
        rotation = await self._networks.rotate(request.network, _rotation_step(request.config or {}))
        return {"network": rotation.network, "step": rotation.step, "public_key": rotation.public_key}

    async def _peers(self, request: Request, _client: Client, now: float) -> Data:
        """Return the peers of a network.

        Response: `{network, peers}`
        """
        return {"network": request.network, "peers": peer_entries(self._networks.view(request.network), now)}


def _connect_data(view: NetworkView) -> Data:
    sample = view.sample
    interface, peers = sample.interface, len(sample.peers)
    return {"network": sample.name, "state": view.state.value, "interface": interface, "peers": peers}


def _disconnect_data(view: NetworkView) -> Data:
    return {"network": view.sample.name, "state": view.state.value}


def _allow_empty(config: Mapping[str, object]) -> bool:
    """Return the flag of a `config`, False if it has none. Raises InputError."""
    allow_empty = config.get("allowEmpty", False)
    if not isinstance(allow_empty, bool) or config.keys() - {"allowEmpty"}:
        raise InputError('config: expected only {"allowEmpty": true} or false', code="request.malformed")
    return allow_empty


def _rotation_step(config: Mapping[str, object]) -> str:
    """Return the step that a `config` names, `prepare` if it names none. Raises InputError."""
    step = config.get("step", ROTATION_STEPS[0])
    if step not in ROTATION_STEPS or config.keys() - {"step"}:
        problem = f'config: expected only {{"step": …}}, with one of {", ".join(ROTATION_STEPS)}'
        raise InputError(problem, code="request.malformed")
    return str(step)
