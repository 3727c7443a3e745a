"""Endpoints with a name become endpoints with an address."""

from __future__ import annotations

import pytest

from tests.tunnel.strategies import PRIVATE_KEYS, PUBLIC_KEYS
from warren.errors import FarSideError, Fault
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
from warren.tunnel.io.resolver import resolve_endpoints

pytestmark = pytest.mark.integration

HERE = {"127.0.0.1", "::1"}


def config(*endpoints: Endpoint | None) -> InterfaceConfig:
    """A peer for each."""
    pairs = zip(PUBLIC_KEYS, endpoints, strict=False)
    return InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=tuple(PeerConfig(key, endpoint=end) for key, end in pairs))


def test_names_go_and_all_else_stays() -> None:
    address = Endpoint("192.0.2.1", 1)
    before = config(Endpoint("localhost", 51820), address, None)
    named, *others = (peer.endpoint for peer in resolve_endpoints(before).peers)
    assert named is not None
    assert named.host in HERE
    assert named.port == 51820
    assert others == [address, None]
    assert resolve_endpoints(config(address, None)) == config(address, None)


def test_a_zone_is_given_as_a_number() -> None:
    (peer,) = resolve_endpoints(config(Endpoint("fe80::1%lo", 51820))).peers
    assert str(peer.endpoint) == "[fe80::1%1]:51820"


def test_every_name_that_fails_is_told() -> None:
    """RFC 6761: no such name exists."""
    with pytest.raises(FarSideError) as error:
        resolve_endpoints(config(Endpoint("a.invalid", 1), Endpoint("localhost", 1), Endpoint("b.invalid", 2)))
    assert error.value.fault is Fault.FAR_SIDE
    told = str(error.value).splitlines()
    assert [line.partition(" does not resolve")[0] for line in told] == [
        "the endpoint a.invalid:1",
        "the endpoint b.invalid:2",
    ]
