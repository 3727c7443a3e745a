"""Resolve endpoint names to addresses by Warren's resolver (crate `dns`), the same with and without a full tunnel.

It reads resolv.conf(5) and hosts(5). Other services of nsswitch.conf(5) are not supported. A lookup runs on a thread of
its own that waits for nobody: a name server that does not answer delays neither the loop nor the end of the process.
"""

from __future__ import annotations

import asyncio
import select
import socket
from contextlib import closing
from pathlib import Path

from warren._core import HostLookup
from warren.errors import RemoteError
from warren.files.bounded_read import read_named
from warren.files.file_state import MAX_FILE_BYTES
from warren.tunnel.address_search import Addresses
from warren.tunnel.config import Endpoint, InterfaceConfig
from warren.tunnel.endpoint_dns import UpstreamServers

RESOLV_CONF = Path("/etc/resolv.conf")
HOSTS = Path("/etc/hosts")


def resolve_endpoints(config: InterfaceConfig) -> Addresses:
    """Return the addresses of each endpoint of `config` that is a name or has a zone; each is resolved once.

    Raises:
        RemoteError: Some names do not resolve; it lists every one of them.
    """
    named = {peer.endpoint for peer in config.peers if peer.endpoint and not peer.endpoint.is_address}
    addresses: dict[Endpoint, tuple[Endpoint, ...]] = {}
    failures: list[str] = []
    for endpoint in sorted(named, key=str):
        try:
            addresses[endpoint] = _resolve(endpoint)
        except RemoteError as error:
            failures.append(str(error))
    if failures:
        raise RemoteError("\n".join(failures), code="endpoint.unresolved")
    return addresses


async def resolve_soon(endpoint: Endpoint, upstream: UpstreamServers | None = None) -> tuple[Endpoint, ...]:
    """Return the addresses of an endpoint, in the order in which to try them, without blocking the loop.

    The servers are those of `upstream`, else those of resolv.conf(5). Cancellation ends the lookup.

    Raises:
        RemoteError: The name does not resolve.
    """
    if "%" in endpoint.host or endpoint.is_address:
        return _resolve(endpoint)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    with closing(_start(endpoint, upstream)) as lookup:
        loop.add_reader(lookup.fileno(), ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(lookup.fileno())
        return _addresses(endpoint, lookup)


def _resolve(endpoint: Endpoint) -> tuple[Endpoint, ...]:
    """Return the addresses of an endpoint. Blocks, but not against signals. Raises RemoteError."""
    if endpoint.is_address:
        return (endpoint,)
    if "%" in endpoint.host:
        return (_with_zone_number(endpoint),)
    with closing(_start(endpoint)) as lookup:
        select.select([lookup], [], [])
        return _addresses(endpoint, lookup)


def _start(endpoint: Endpoint, upstream: UpstreamServers | None = None) -> HostLookup:
    servers, mark = (None, 0) if upstream is None else (upstream.servers, upstream.mark)
    texts = (_text(RESOLV_CONF), _text(HOSTS), socket.gethostname())
    return HostLookup.start(endpoint.host, *texts, servers, mark)


def _addresses(endpoint: Endpoint, lookup: HostLookup) -> tuple[Endpoint, ...]:
    try:
        addresses = lookup.addresses() or ()
    except RemoteError as error:
        raise _unresolved(endpoint, str(error)) from error
    return tuple(Endpoint(address, endpoint.port) for address in addresses)


def _with_zone_number(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint with the number of its zone, by which engines know it. Raises RemoteError."""
    host, _, zone = endpoint.host.partition("%")
    try:
        number = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError as error:
        raise _unresolved(endpoint, f"there is no link {zone}") from error
    return Endpoint(f"{host}%{number}", endpoint.port)


def _unresolved(endpoint: Endpoint, reason: str) -> RemoteError:
    return RemoteError(f"the endpoint {endpoint} does not resolve: {reason}", code="endpoint.unresolved")


def _text(path: Path) -> str:
    try:
        return read_named(path, MAX_FILE_BYTES).decode(errors="replace")
    except OSError:
        return ""
