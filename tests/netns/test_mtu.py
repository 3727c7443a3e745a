"""Inner MTUs from the smallest that IPv6 allows to all that UDP can carry, each with bulk in both directions."""

from __future__ import annotations

import pytest

from .conftest import MakeHost
from .engine import Engine
from .host import IN_NAMESPACES
from .pair import FAR_INNER, INNER, NEAR_INNER, Pair, cabled, pair_of
from .traffic import BULK_BYTES, ping, tcp_copy, udp_exchange

pytestmark = IN_NAMESPACES

WIDEST_CABLE = 65_535
UDP_LARGEST_BYTES = 65_507
WIREGUARD_BYTES = 80  # IPv6, UDP and transport headers and the tag: what wg(8) reckons with


def bulk(pair: Pair, mtu: int, *, far_sends: bool = True) -> None:
    """TCP and UDP both ways, IPv4 and IPv6: whole packets of the MTU, and datagrams that need several."""
    near, far = pair.near.host, pair.far.host
    for far_inner, near_inner, header_bytes in zip(FAR_INNER, NEAR_INNER, (28, 48), strict=True):
        assert ping(near, far_inner, "-M", "do", "-s", str(min(mtu, UDP_LARGEST_BYTES) - header_bytes)).returncode == 0
        for size_bytes in (mtu - header_bytes, min(2 * mtu, UDP_LARGEST_BYTES)):
            udp_exchange(near, far, far_inner, size_bytes)
        tcp_copy(near, far, far_inner, BULK_BYTES)
        if far_sends:
            tcp_copy(far, near, near_inner, BULK_BYTES)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("mtu", [1280, 1420, 9000, 34_000, WIDEST_CABLE - WIREGUARD_BYTES])
def test_over_a_cable_that_carries_it(
    make_host: MakeHost, warren: Engine, peer: Engine, mtu: int, version: int
) -> None:
    near, far = make_host("near"), make_host("far")
    cabled(near, far, mtu=max(1500, mtu + WIREGUARD_BYTES))
    pair = pair_of(near, warren, far, peer, mtu=mtu)
    pair.open(version=version)
    bulk(pair, mtu)


@pytest.mark.parametrize("version", [4, 6])
def test_over_a_cable_that_must_fragment(pair: Pair, version: int) -> None:
    """Peers expect that outer datagrams may be fragmented."""
    for end in (pair.near, pair.far):
        end.host.ip("link", "set", end.name, "mtu", "9000")
    pair.open(version=version)
    bulk(pair, 9000, far_sends=not segments_only_what_fits(pair.far.engine))


def test_changed_at_run_time(pair: Pair) -> None:
    pair.open()
    for mtu in (1280, 1400, 1420):
        for end in (pair.near, pair.far):
            end.host.ip("link", "set", end.name, "mtu", str(mtu))
        tcp_copy(pair.near.host, pair.far.host, INNER["far"][0], BULK_BYTES)
        tcp_copy(pair.far.host, pair.near.host, INNER["near"][0], BULK_BYTES)


def segments_only_what_fits(engine: Engine) -> bool:
    """The newest wireguard-go does not give UDP_SEGMENT up when the kernel says EINVAL; it heeds EIO only."""
    return engine.name == "newest"
