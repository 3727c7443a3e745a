"""Names are asked outside: with the mark of a network that is dead and has the default route, its endpoint is found.

near                                                                 far
eth0    192.0.2.1/24   2001:db8::1/64 ─── cable ─── eth0  192.0.2.2/24  2001:db8::2/64, and 198.51.100.53: a name server
wg0     a link that loses everything; what has no mark goes there, as with a network that is dead
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .deadline import until
from .host import IN_NAMESPACES, Host, address

pytestmark = [*IN_NAMESPACES, pytest.mark.security]

MARK = "51820"
SERVER = "198.51.100.53"
LOOK_UP = """
import asyncio, sys
from ipaddress import ip_address
from warren.errors import RemoteError
from warren.tunnel.config import parse_endpoint
from warren.tunnel.io.resolver import resolve_soon
from warren.tunnel.endpoint_dns import UpstreamServers
mark, endpoint, *servers = sys.argv[1:]
upstream = UpstreamServers(tuple(map(ip_address, servers)), int(mark)) if servers != ["resolv.conf"] else None
try:
    print(asyncio.run(resolve_soon(parse_endpoint(endpoint), upstream))[0])
except RemoteError as error:
    print(error)
"""


def look_up(host: Host, mark: str, endpoint: str, *servers: str) -> str:
    return host.run(sys.executable, "-c", LOOK_UP, mark, endpoint, *servers).strip()


def serve(host: Host, where: str, *names: str) -> None:
    host.ip("address", "replace", f"{where}/32", "dev", "lo")
    host.start(sys.executable, Path(__file__).with_name("nameserver.py"), where, *names)
    until(lambda: "ready" in host.log(), "the name server answers")


@pytest.fixture
def near(hosts: tuple[Host, Host], tmp_path: Path) -> Host:
    """With a dead default route for all that has no mark, and settings of its own for the resolver."""
    near = hosts[0]
    settings = tmp_path / "resolv.conf"
    settings.write_text("nameserver 192.0.2.2\nsearch none.example corp.example\noptions ndots:1 timeout:1\n")
    near.run("mount", "--bind", str(settings), "/etc/resolv.conf")
    near.ip("route", "add", "default", "via", "192.0.2.2")
    near.ip("link", "add", "wg0", "type", "veth", "peer", "nowhere")
    near.ip("link", "set", "nowhere", "up")
    near.ip("link", "set", "wg0", "arp", "off", "up")
    address(near, "wg0", "10.9.0.1/24")
    near.ip("route", "add", "default", "dev", "wg0", "table", MARK)
    near.ip("rule", "add", "not", "fwmark", MARK, "table", MARK)
    return near


@pytest.fixture
def far(hosts: tuple[Host, Host]) -> Host:
    return hosts[1]


def test_with_the_mark_a_name_is_found_past_a_dead_network(near: Host, far: Host) -> None:
    serve(far, SERVER, "vpn.example.org=192.0.2.2", "vpn6.example.org=192.0.2.2", "vpn6.example.org=2001:db8::2")
    assert look_up(near, MARK, "vpn.example.org:51820", SERVER) == "192.0.2.2:51820"
    assert look_up(near, MARK, "vpn6.example.org:51820", SERVER) == "[2001:db8::2]:51820"
    asked = far.log().count("example.org")
    said = look_up(near, "0", "vpn.example.org:51820", SERVER)
    assert said == f"the endpoint vpn.example.org:51820 does not resolve: {SERVER}: no answer"
    assert far.log().count("example.org") == asked  # not one question came out


def test_an_address_that_no_route_leads_to_comes_after_one_that_is_reached(near: Host, far: Host) -> None:
    serve(far, SERVER, "vpn.example.org=2001:db8:ffff::1", "vpn.example.org=192.0.2.2")
    assert look_up(near, MARK, "vpn.example.org:51820", SERVER) == "192.0.2.2:51820"


def test_the_next_server_is_asked_where_one_does_not_answer(near: Host, far: Host) -> None:
    serve(far, SERVER, "vpn.example.org=192.0.2.2")
    assert look_up(near, MARK, "vpn.example.org:51820", "192.0.2.2", SERVER) == "192.0.2.2:51820"  # port unreachable


def test_a_name_that_there_is_not(near: Host, far: Host) -> None:
    serve(far, SERVER, "vpn.example.org=192.0.2.2")
    said = look_up(near, MARK, "vpm.example.org.:51820", SERVER, "192.0.2.2")
    assert said == f"the endpoint vpm.example.org.:51820 does not resolve: {SERVER}: there is no such name"


def test_search_list_counts_with_the_mark_as_without(near: Host, far: Host) -> None:
    """A name of one label is found in a full tunnel as in any other."""
    serve(far, SERVER, "vpn.corp.example=192.0.2.2")
    serve(far, "192.0.2.2", "vpn.corp.example=192.0.2.2")
    assert look_up(near, MARK, "vpn:51820", SERVER) == "192.0.2.2:51820"
    near.ip("rule", "delete", "not", "fwmark", MARK, "table", MARK)
    assert look_up(near, "0", "vpn:51820", "resolv.conf") == "192.0.2.2:51820"
    assert look_up(near, MARK, "gone:51820", SERVER) == (
        f"the endpoint gone:51820 does not resolve: {SERVER}: there is no such name "
        "(gone.none.example, gone.corp.example, gone)"
    )


def test_without_a_server_it_says_so(near: Host) -> None:
    said = look_up(near, MARK, "vpn.example.org:51820")
    assert said.endswith("no name server of this host is reached without the network")


def test_what_needs_no_server(near: Host) -> None:
    assert look_up(near, MARK, "192.0.2.2:51820") == "192.0.2.2:51820"
    assert look_up(near, MARK, "localhost:51820") in {"127.0.0.1:51820", "[::1]:51820"}
