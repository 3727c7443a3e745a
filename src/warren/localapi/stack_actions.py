"""Actions of the control socket that reach hosts in a network whose stack is the agent's own (W-35)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from warren.errors import InputError
from warren.local_client import Client
from warren.localapi.action import Action, Stream
from warren.localapi.messages import Request
from warren.tunnel.config import ENDPOINT_PORT, HOST_NAME_CHARACTERS


class StackNetworks(Protocol):
    """Reach hosts in networks of backend netstack. Methods raise WarrenError."""

    async def dial(self, network: str, host: str, port: int) -> int:
        """Return the descriptor of a connection to a TCP port, which the caller closes."""

    def capture(self, network: str) -> int:
        """Return the descriptor of a capture as pcapng, which the caller closes."""


class StackActions:
    """Dial hosts in the networks of an agent, and capture what passes there."""

    def __init__(self, networks: StackNetworks) -> None:
        self._networks = networks

    def actions(self) -> tuple[Action, ...]:
        """Return the rows to register."""
        return (
            Action("dial", self._dial, takes_config=True, event="network.dial"),
            Action("capture", self._capture, event="network.capture"),
        )

    async def _dial(self, request: Request, _client: Client, _now: float) -> Stream:
        """Connect to a TCP port in a network of backend netstack; after the response the connection is the stream.

        A client sends nothing of the stream before it has the response. The error of a dial that failed has a `code`:
        `dial.refused`, `dial.timed_out`, `dial.forbidden`, `name.unresolved` or `peer.unreachable`.

        Config: `{"host": HOST, "port": PORT, "protocol": "tcp"}`
        Response: `{network, host, port}`
        """
        config = _members(request, {"host", "port", "protocol"})
        host, port = _host(config), config.get("port")
        if not isinstance(port, int) or isinstance(port, bool) or port not in ENDPOINT_PORT:
            raise _malformed("port: expected a number from 1 to 65535")
        if config.get("protocol", "tcp") != "tcp":
            raise _malformed("protocol: expected tcp; a stream has no boundaries of datagrams")
        descriptor = await self._networks.dial(request.network, host, port)
        return Stream({"network": request.network, "host": host, "port": port}, descriptor)

    async def _capture(self, request: Request, _client: Client, _now: float) -> Stream:
        """Capture the packets inside a network of backend netstack; after the response the connection is pcapng.

        It ends after 100 MB or 10 minutes, or when the client closes it. There is one capture at a time.

        Response: `{network}`
        """
        return Stream({"network": request.network}, self._networks.capture(request.network))


def _members(request: Request, known: set[str]) -> Mapping[str, object]:
    """Return the `config` of a request, which has no other members. Raises InputError."""
    config = request.config or {}
    if config.keys() - known:
        raise _malformed(f"expected only {', '.join(sorted(known))}")
    return config


def _host(config: Mapping[str, object]) -> str:
    host = config.get("host")
    if not isinstance(host, str) or not 0 < len(host) <= HOST_NAME_CHARACTERS or not host.isprintable():
        raise _malformed("host: expected an address or a name")
    return host


def _malformed(problem: str) -> InputError:
    return InputError(f"config: {problem}", code="request.malformed")
