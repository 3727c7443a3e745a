"""The path MTU that the engine finds by probes, over a router that drops in silence what is too large (row W-45)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from . import engine
from .conftest import MakeHost
from .deadline import until
from .engine import Engine
from .host import IN_NAMESPACES, Host
from .interface import Interface, endpoint
from .kernel import interface
from .pair import FAR_INNER, INNER, NEAR_INNER, Pair, prefixes, single
from .path import FAR_OUTER, narrow, routed
from .traffic import BULK_BYTES, reach, tcp_copy

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]

SEARCH_SECONDS = 60
"""Four times what the longest search takes: three probes of a second for each of four sizes."""
PROBING = f"set=1\nwarren_probe_sources={' '.join(NEAR_INNER)}\n\n"


Hosts = tuple[Host, Host, Host]


@dataclass(frozen=True, slots=True)
class Case:
    """An outer version of IP, the largest packet that passes, and what is left of it inside."""

    version: int
    width: int
    mtu: int


CASES = (
    *(Case(4, 1500, 1420), Case(4, 1400, 1340), Case(4, 1300, 1220)),
    *(Case(6, 1500, 1420), Case(6, 1400, 1320), Case(6, 1300, 1200)),
)


@pytest.fixture
def hosts(make_host: MakeHost) -> Hosts:
    """`near`, the router and `far`; nothing connects them yet."""
    return make_host("near"), make_host("router"), make_host("far")


def connect(hosts: Hosts, peer: Engine, version: int, width: int) -> Pair:
    """The tunnel, whose near end knows where the other is and has reached it."""
    near, router, far = hosts
    routed(near, router, far, width)
    ends = [interface(near, engine.warren()), interface(far, peer)]
    for end in ends:
        end.up(*prefixes(INNER[end.host.name]))
    ends[0].peer(ends[1].keys, *single(FAR_INNER), Endpoint=endpoint(FAR_OUTER[version == 6], ends[1].listen_port))
    ends[1].peer(ends[0].keys, *single(NEAR_INNER))
    reach(near, FAR_INNER[0])
    return Pair(*ends)


def path_mtu(near: Interface) -> str:
    """What the engine says of the path to its only peer; empty if it does not probe."""
    lines = dict(line.split("=", 1) for line in near.uapi("get=1\n\n").splitlines() if line)
    return lines.get("warren_path_mtu", "")


def until_found(near: Interface, mtu: int, seconds: float = SEARCH_SECONDS) -> None:
    until(lambda: path_mtu(near).startswith(f"{mtu} "), f"the path MTU is found to be {mtu}", seconds)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"ipv{case.version}-{case.width}")
def test_found_over_a_silent_router(hosts: Hosts, case: Case) -> None:
    pair = connect(hosts, engine.debian(), case.version, case.width)
    assert path_mtu(pair.near) == "", "nothing is probed unless it is asked for"
    pair.near.uapi(PROBING)
    until_found(pair.near, case.mtu)
    assert pair.near.show("peers") == pair.far.keys.text, "wg(8) reads the answer"
    if case.version == 4 or case.width == 1500:  # else the kernel has to be told, which is not the engine's part
        tcp_copy(pair.near.host, pair.far.host, FAR_INNER[0], BULK_BYTES)


def test_a_peer_that_answers_no_echo_has_an_unknown_one(hosts: Hosts, peer: Engine) -> None:
    pair = connect(hosts, peer, 4, 1500)
    for name in ("ipv4/icmp_echo_ignore_all", "ipv6/icmp/echo_ignore_all"):
        pair.far.host.run("sh", "-c", f"echo 1 > /proc/sys/net/{name}")
    pair.near.uapi(PROBING)
    until(lambda: path_mtu(pair.near) == "unknown no_answer", "no size is answered", SEARCH_SECONDS)
    tcp_copy(pair.near.host, pair.far.host, FAR_INNER[0], BULK_BYTES)


@pytest.mark.slow
@pytest.mark.parametrize("version", [4, 6])
def test_a_path_that_shrinks_is_followed(hosts: Hosts, version: int) -> None:
    """With the real times: two confirmations, 30 s apart, are lost before the search begins again."""
    pair = connect(hosts, engine.debian(), version, 1500)
    pair.near.uapi(PROBING)
    until_found(pair.near, 1420)
    narrow(hosts[1], 1400)
    # Only what is in use is confirmed; these echoes fit.
    pinging = pair.near.host.start("ping", "-q", "-i", "0.1", "-s", "1200", FAR_INNER[0])
    until_found(pair.near, 1340 if version == 4 else 1320, 90 + SEARCH_SECONDS)
    pinging.terminate()
