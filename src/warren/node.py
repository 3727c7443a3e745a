"""A network without an interface: connections of this process through a tunnel, as sockets of asyncio (W-34).

    async with warren.Node.open("wg0.conf") as node:
        reader, writer = await node.open_connection("10.0.0.5", 80)

A node changes nothing of its host, needs no privilege, and ends with its context. Its packets have a thread of their
own: a Python that is busy or hangs fills the sockets of its own connections and holds up nothing else.
"""

from __future__ import annotations

import asyncio
import socket
import ssl as tls
import sys
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from warren._core import Device, Events
from warren.clock import monotonic_seconds
from warren.config.parsers import IPAddress
from warren.errors import ConfigError, StateError
from warren.tunnel.address_search import AddressSearch, with_addresses
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.io.address_search import BackgroundSearch
from warren.tunnel.io.conffile import read_conf
from warren.tunnel.io.netstack import NetstackEngine
from warren.tunnel.io.resolver import resolve_endpoints
from warren.tunnel.io.stack_streams import DIAL_SECONDS, dial_stream, resolve_name
from warren.tunnel.netstack import Tables, interface_tables
from warren.tunnel.stack_messages import ADDRESS, parse_address
from warren.tunnel.status import InterfaceStatus
from warren.tunnel.wgquick import unsupported

Callback = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
STREAM_LIMIT = 64 << 10  # as asyncio's own


class Node:
    """A member of a network, with a network stack of its own. For one event loop."""

    def __init__(self, config: InterfaceConfig, tables: Tables) -> None:
        """Prefer `Node.open`."""
        self._config = config
        self._tables = tables
        self._engine = NetstackEngine(config.name, tables)
        self._search: BackgroundSearch | None = None
        self._is_open = False

    @classmethod
    def open(cls, config: InterfaceConfig | str | PathLike[str]) -> Self:
        """Return a node of a configuration, or of a file of wg-quick(8), to be entered by `async with`.

        The name servers of a file's `DNS` are asked through the tunnel. Raises WarrenError.
        """
        if isinstance(config, InterfaceConfig):
            return cls(config, interface_tables(config))
        path = Path(config)
        file = read_conf(path)
        if findings := unsupported(replace(file.content, dns=())):
            raise ConfigError(findings, source=str(path), code="config.unsupported")
        for warning in file.warnings:
            warnings.warn(warning, stacklevel=2)
        return cls(file.content.interface, interface_tables(file.content.interface, file.content.dns))

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._start)
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_open = False
        await asyncio.to_thread(self._stop)

    def _start(self) -> None:
        addresses = resolve_endpoints(self._config)
        self._engine.create()
        try:
            self._engine.update(with_addresses(self._config, addresses), self._tables)
        except BaseException:
            self._engine.remove()
            raise
        search = AddressSearch(self._config, addresses, monotonic_seconds())
        if search.is_needed:
            self._search = BackgroundSearch(search, self._engine, lambda: self.status().peers)

    def _stop(self) -> None:
        if self._search is not None:
            self._search.stop()
        self._engine.remove()

    @property
    def events(self) -> Events:
        """Return the events: `drain()` them, or pass `fileno()` to `loop.add_reader`."""
        return self._engine.events

    def status(self) -> InterfaceStatus:
        """Return the present status. Raises InterfaceError once the node is closed."""
        return self._engine.observe()

    async def open_connection(
        self,
        host: str,
        port: int,
        *,
        timeout: float = DIAL_SECONDS,  # noqa: ASYNC109, the stack keeps it
        ssl: tls.SSLContext | None = None,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a TCP port of an address or a name in the tunnel, over TLS if there is a context.

        `writer.get_extra_info("peername")` is the far address. Cancelling ends the dial. Raises ConnectionRefusedError,
        TimeoutError, PermissionError (policy), socket.gaierror, and warren.errors.Unreachable.
        """
        deadline = monotonic_seconds() + timeout
        stream = await dial_stream(self._device(), host, port, timeout)
        try:
            async with asyncio.timeout(deadline - monotonic_seconds()):
                return await _streams(stream, (host, port), ssl)
        except BaseException:
            stream.close()
            raise

    async def connect(self, host: str, port: int, *, timeout: float = DIAL_SECONDS) -> socket.socket:  # noqa: ASYNC109
        """Connect to a TCP port in the tunnel, and return a non-blocking socket: one of a Unix socket pair.

        Raises as `open_connection`.
        """
        return await dial_stream(self._device(), host, port, timeout)

    async def start_server(self, callback: Callback, port: int) -> NodeServer:
        """Accept connections from the tunnel to a TCP port of the node's own addresses.

        Each one runs `callback(reader, writer)`, as with `asyncio.start_server`. Raises HostError for a port in use.
        """
        return NodeServer(socket.socket(fileno=self._device().listen(port)), callback, port)

    async def resolve(self, name: str) -> tuple[IPAddress, ...]:
        """Return the addresses of a name by the DNS of the network. Raises socket.gaierror."""
        return await resolve_name(self._device(), name)

    def _device(self) -> Device:
        if not self._is_open:
            raise StateError("the node is not open: enter it by `async with`", code="interface.closed")
        return self._engine.device


class NodeServer:
    """The listener of one port in the tunnel, until it is closed. `async with` closes it."""

    def __init__(self, listener: socket.socket, callback: Callback, port: int) -> None:
        self.port = port
        self._listener = listener
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._making: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    def _accept(self) -> None:
        """Take the connections that wait: each is a descriptor with the address of its far end."""
        with suppress(BlockingIOError):
            while True:
                octets, descriptors = _receive_connection(self._listener)
                if not octets:  # the device has ended
                    self.close()
                    return
                for descriptor in descriptors:
                    self._serve(socket.socket(fileno=descriptor), parse_address(octets).peername)

    def _serve(self, stream: socket.socket, peername: tuple[str, int]) -> None:
        stream.setblocking(False)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None]:
            return self._callback(reader, _NodeWriter(writer, reader, peername, self._loop))

        def make_protocol() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(limit=STREAM_LIMIT, loop=self._loop)
            return asyncio.StreamReaderProtocol(reader, connected, loop=self._loop)

        async def begin() -> None:
            await self._loop.connect_accepted_socket(make_protocol, stream)

        task = self._loop.create_task(begin(), name=f"node port {self.port}")
        self._making.add(task)
        task.add_done_callback(self._making.discard)

    def close(self) -> None:
        """Accept no more connections; those that were accepted go on. A second call does nothing."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _receive_connection(listener: socket.socket) -> tuple[bytes, list[int]]:
    """Return the far address and the descriptor of an accepted connection; nothing once the device has ended."""
    octets, descriptors = b"", list[int]()
    if sys.platform != "win32":
        octets, descriptors, _, _ = socket.recv_fds(listener, ADDRESS.size, 1)
    return octets, descriptors


class _NodeWriter(asyncio.StreamWriter):
    """A stream whose far address is that in the tunnel: a Unix socket pair has none."""

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        reader: asyncio.StreamReader,
        peername: tuple[str, int],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        protocol: Any = writer.transport.get_protocol()
        super().__init__(writer.transport, protocol, reader, loop)
        self._writer = writer  # asyncio closes the transport of a writer that nobody holds
        self._peername = peername

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection; `peername` is the far address."""
        return self._peername if name == "peername" else super().get_extra_info(name, default)


async def _streams(
    stream: socket.socket, peername: tuple[str, int], ssl: tls.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = None if ssl is None else peername[0]
    reader, writer = await asyncio.open_connection(sock=stream, ssl=ssl, server_hostname=name, limit=STREAM_LIMIT)
    return reader, _NodeWriter(writer, reader, peername, asyncio.get_running_loop())
