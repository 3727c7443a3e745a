"""Carries a plan out, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, assert_never

from warren._core import Netlink
from warren.tunnel.plan import (
    AddAddress,
    AddRoute,
    AddRule,
    CreateInterface,
    InterfaceChange,
    RemoveAddress,
    RemoveInterface,
    RemoveRoute,
    RemoveRule,
    SetMtu,
    SetUp,
    Step,
)


class Engine(Protocol):
    """What serves one interface."""

    name: str

    def create(self) -> None:
        """Make the link and start; after an error nothing is left."""

    def configure(self, change: InterfaceChange) -> None:
        """Change keys, port, mark and peers, whole or not at all."""

    def remove(self) -> None:
        """End, and take the link away."""


def apply_steps(steps: Sequence[Step], engine: Engine, netlink: Netlink) -> None:
    """Carries out `steps` in order. Raises WarrenError where one fails; those behind it are not done."""
    index: int | None = None
    for step in steps:
        match step:
            case CreateInterface():
                engine.create()
            case RemoveInterface():
                engine.remove()
            case InterfaceChange():
                engine.configure(step)
            case AddRule(rule):
                netlink.add_rule(rule)
            case RemoveRule(rule):
                netlink.remove_rule(rule)
            case _:
                index = netlink.link(engine.name).index if index is None else index
                _apply_to_link(step, index, netlink)


def _apply_to_link(
    step: SetMtu | AddAddress | RemoveAddress | SetUp | AddRoute | RemoveRoute, index: int, netlink: Netlink
) -> None:
    match step:
        case SetMtu(mtu):
            netlink.set_mtu(index, mtu)
        case AddAddress(address):
            netlink.add_address(index, address)
        case RemoveAddress(address):
            netlink.remove_address(index, address)
        case SetUp():
            netlink.set_up(index, up=True)
        case AddRoute(route):
            netlink.add_route(index, route.destination, route.table)
        case RemoveRoute(route):
            netlink.remove_route(index, route.destination, route.table)
        case _:
            assert_never(step)
