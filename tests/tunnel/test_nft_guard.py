"""Which guards follow from a configuration."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given

from warren.tunnel.config import InterfaceConfig
from warren.tunnel.nft_guard import Guard, guards_for
from warren.tunnel.routes import rules_for

from .strategies import interface_configs
from .test_routes import config

pytestmark = pytest.mark.unit


def test_one_for_each_default_route_with_the_addresses_of_its_version() -> None:
    four = Guard("wg0", 4, 51820, (ip_address("10.0.0.1"),))
    assert guards_for(config("0.0.0.0/0", "10.9.0.0/16")) == (four,)
    assert guards_for(config("::/0", "0.0.0.0/0")) == (four, Guard("wg0", 6, 51820, ()))
    assert guards_for(config("::/0", address="fd00::1/64", fwmark=7)) == (Guard("wg0", 6, 7, (ip_address("fd00::1"),)),)


def test_only_a_tunnel_that_takes_all_traffic_guards_its_addresses() -> None:
    part = config("192.0.2.0/24", endpoint="192.0.2.2")
    assert guards_for(part) == (Guard("wg0", 4, 51820, ()),)
    halves = config("0.0.0.0/1", "128.0.0.0/1", endpoint="192.0.2.2")
    assert guards_for(halves) == (Guard("wg0", 4, 51820, (ip_address("10.0.0.1"),)),)


@pytest.mark.parametrize("wanted", [config("10.9.0.0/16"), config("0.0.0.0/0", table=7), config("::/0", table="off")])
def test_none_where_there_are_no_rules(wanted: InterfaceConfig) -> None:
    assert guards_for(wanted) == ()


@given(interface_configs)
def test_it_has_the_mark_of_its_rules(interface: InterfaceConfig) -> None:
    marks = {(rule.version, rule.fwmark) for rule in rules_for(interface)}
    assert [(guard.version, guard.fwmark) for guard in guards_for(interface)] == sorted(marks)
    own = {address.ip for address in interface.addresses}
    assert all(own.issuperset(guard.addresses) for guard in guards_for(interface))
