"""`warren up` where allowed IPs contain the peer's own endpoint: its packets stay outside, all others go inside.

The hosts are those of test_default_route.py.
"""

from __future__ import annotations

import json

import pytest

from tests.netns.host import IN_NAMESPACES, Host
from tests.netns.pair import FAR_INNER, OUTER
from tests.netns.traffic import reach

from .ends import PORT, Ends
from .test_default_route import BEYOND, FAR_ENGINE, by, routed, settled, state, strict

__all__ = ["routed"]

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]
HALVES = "0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1"


def sent(host: Host) -> int:
    """Return the packets that a host has sent into its tunnel."""
    (link,) = json.loads(host.ip("-j", "-s", "link", "show", "wg0"))
    return int(link["stats64"]["tx"]["packets"])


@pytest.mark.parametrize("reverse_path", [0, 1])
@pytest.mark.parametrize(
    ("endpoint", "allowed_ips", "inside"),
    [
        (OUTER["far"][0], f"{OUTER['far'][0]}/32, {FAR_INNER[0]}/32", [FAR_INNER[0], OUTER["far"][0]]),
        (OUTER["far"][0], f"192.0.2.0/24, {FAR_INNER[0]}/32", [FAR_INNER[0], OUTER["far"][0]]),
        (FAR_ENGINE, HALVES, [*FAR_INNER, *BEYOND, FAR_ENGINE]),
        (FAR_ENGINE, f"0.0.0.0/0, 203.0.113.0/24, {FAR_ENGINE}/32", [FAR_INNER[0], BEYOND[0], FAR_ENGINE]),
    ],
    ids=["the endpoint itself", "the network of the cable", "two halves", "nested"],
)
def test_up_with_endpoint_in_allowed_ips_works(
    routed: Ends, endpoint: str, allowed_ips: str, inside: list[str], reverse_path: int
) -> None:
    near = routed.near
    strict(near, reverse_path)
    settled(near)
    before = state(near)
    routed.done(near, "up", routed.conf(near, endpoint=f"{endpoint}:{PORT}", allowed_ips=allowed_ips))
    for address in inside:
        reach(near, address)
        assert by(near, address) == "wg0"
    assert by(near, endpoint, "mark", "51820") == "eth0"
    assert sent(near) < 100
    routed.done(near, "down", "wg0")
    assert state(near) == before


def test_two_full_tunnels_to_one_host_do_not_lead_into_each_other(routed: Ends) -> None:
    """One has two halves, the other a default route; the halves are longer, so they have all packets."""
    near = routed.near
    routed.done(near, "up", routed.conf(near, endpoint=f"{FAR_ENGINE}:{PORT}", allowed_ips=HALVES))
    other = routed.conf(near, name="wg1", address="10.8.0.1/24", endpoint="203.0.113.2:9", allowed_ips="0.0.0.0/0")
    other.write_text(other.read_text().replace(f"ListenPort = {PORT}\n", ""))
    routed.done(near, "up", other)
    reach(near, BEYOND[0])
    assert by(near, "203.0.113.2") == "wg0"
    for mark in ("51820", "51821"):
        assert (by(near, FAR_ENGINE, "mark", mark), by(near, "203.0.113.2", "mark", mark)) == ("eth0", "eth0")
    near.ip("route", "delete", "default")
    for mark in ("51820", "51821"):
        assert near.attempt("ip", "route", "get", "203.0.113.2", "mark", mark).returncode != 0
    assert sent(near) < 100
