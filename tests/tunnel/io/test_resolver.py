"""Endpoints with a name become endpoints with an address."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.tunnel.strategies import PRIVATE_KEYS, PUBLIC_KEYS
from warren._core import HostLookup
from warren.errors import Fault, InputError, RemoteError
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.endpoint_dns import UpstreamServers
from warren.tunnel.io.resolver import resolve_endpoints, resolve_soon

pytestmark = pytest.mark.integration

HERE = {"127.0.0.1", "::1"}


def config(*endpoints: Endpoint | None) -> InterfaceConfig:
    """A peer for each."""
    pairs = zip(PUBLIC_KEYS, endpoints, strict=False)
    return InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=tuple(PeerConfig(key, endpoint=end) for key, end in pairs))


def test_names_resolve_and_addresses_need_not() -> None:
    name, address = Endpoint("localhost", 51820), Endpoint("192.0.2.1", 1)
    resolved = resolve_endpoints(config(name, address, None))
    assert resolved.keys() == {name}
    assert {endpoint.host for endpoint in resolved[name]} <= HERE
    assert {endpoint.port for endpoint in resolved[name]} == {51820}
    assert resolve_endpoints(config(address, None)) == {}


def test_a_zone_is_given_as_a_number() -> None:
    zoned = Endpoint("fe80::1%lo", 51820)
    assert resolve_endpoints(config(zoned)) == {zoned: (Endpoint("fe80::1%1", 51820),)}


def test_every_name_that_fails_is_told() -> None:
    """RFC 6761: no such name exists."""
    with pytest.raises(RemoteError) as error:
        resolve_endpoints(config(Endpoint("a.invalid", 1), Endpoint("localhost", 1), Endpoint("b.invalid", 2)))
    assert error.value.fault is Fault.REMOTE
    told = str(error.value).splitlines()
    assert [line.partition(" does not resolve")[0] for line in told] == [
        "the endpoint a.invalid:1",
        "the endpoint b.invalid:2",
    ]


def test_the_loop_goes_on_while_names_are_asked() -> None:
    async def ask() -> tuple[tuple[Endpoint, ...], int]:
        turns = 0
        answer = asyncio.ensure_future(resolve_soon(Endpoint("localhost", 51820)))
        while not answer.done():
            turns += 1
            await asyncio.sleep(0)
        return answer.result(), turns

    found, turns = asyncio.run(ask())
    assert found
    assert {endpoint.host for endpoint in found} <= HERE
    assert {endpoint.port for endpoint in found} == {51820}
    assert turns > 0


def test_a_name_that_fails_is_told_to_who_asked() -> None:
    with pytest.raises(RemoteError, match=r"the endpoint a\.invalid:1 does not resolve: ") as error:
        asyncio.run(resolve_soon(Endpoint("a.invalid", 1)))
    assert error.value.code == "endpoint.unresolved"


def test_a_network_that_takes_the_way_to_the_resolver_has_servers_outside() -> None:
    none = UpstreamServers(())
    assert asyncio.run(resolve_soon(Endpoint("192.0.2.1", 51820), none)) == (Endpoint("192.0.2.1", 51820),)
    with pytest.raises(RemoteError, match="no name server of this host is reached without the network"):
        asyncio.run(resolve_soon(Endpoint("a.example", 1), none))


STUCK = """
import asyncio, socket
from ipaddress import ip_address
from warren.tunnel.config import Endpoint
from warren.tunnel.endpoint_dns import UpstreamServers
from warren.tunnel.io.resolver import resolve_soon

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.2", 53))

async def main():
    upstream = UpstreamServers((ip_address("127.0.0.2"),))
    asking = asyncio.ensure_future(resolve_soon(Endpoint("vpn.example.org", 1), upstream))
    await asyncio.to_thread(server.recv, 512)
    asking.cancel()

asyncio.run(main())
print("ended")
"""


@pytest.mark.root
def test_a_resolver_that_never_answers_delays_no_end() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def test_server_of_a_link_is_asked_on_that_link() -> None:
    """A router that announces itself as a name server (RFC 8106) has a link-local address with a zone."""
    servers = UpstreamServers((ip_address("fe80::53%lo"),))
    with pytest.raises(RemoteError, match=r"the endpoint a\.example:1 does not resolve: fe80::53: "):
        asyncio.run(resolve_soon(Endpoint("a.example", 1), servers))
    with pytest.raises(InputError, match="invalid address"):
        HostLookup.start("a.example", "", "", "", ["nonsense"])  # type: ignore[list-item]


def test_closed_lookup_is_refused_and_leaves_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    lookup = HostLookup.start("localhost", "", "", "")
    select.select([lookup], [], [])
    assert lookup.addresses()
    lookup.close()
    with pytest.raises(InputError, match="the lookup is closed"):
        lookup.addresses()
    with pytest.raises(InputError, match="the lookup is closed"):
        lookup.fileno()
    del lookup
    until(lambda: len(list(Path("/proc/self/fd").iterdir())) == before, "the thread has closed its descriptors")
