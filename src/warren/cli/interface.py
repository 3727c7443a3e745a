"""`warren up` and `warren down`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import NoReturn

import click

from warren._core import Netlink
from warren.cli.output import warn, write
from warren.tunnel.io.bringup import bring_up
from warren.tunnel.io.conffile import SUFFIX, interface_name, read_supported
from warren.tunnel.io.observe import observe_bound
from warren.tunnel.io.process import WgProcess
from warren.tunnel.io.resolver import resolve_endpoints
from warren.tunnel.io.teardown import take_down
from warren.tunnel.status import InterfaceStatus


@click.command()
@click.argument("file", metavar="FILE.conf", type=click.Path(path_type=Path, readable=False))
def up(file: Path) -> None:
    """Bring up the interface that FILE.conf describes.

    FILE.conf is a file of wg-quick(8); the interface is named after it. An engine is started for it in the background,
    addresses, MTU and routes are set, and endpoints with a name are resolved once. A default route goes into a table
    of its own. After an error all is as before. An interface that is up already is an error, as with wg-quick.

    DNS, commands (PreUp to PostDown) and SaveConfig are refused; wg-quick does them with Warren's engine:
    WG_QUICK_USERSPACE_IMPLEMENTATION=warren-wg wg-quick up FILE.conf
    """
    signal.signal(signal.SIGTERM, _interrupt)
    conf = read_supported(file)
    for warning in conf.warnings:
        warn(warning)
    config = resolve_endpoints(conf.content.interface)
    netlink = Netlink.open()
    bring_up(config, WgProcess(config.name, netlink), netlink)
    write(f"{summary(observe_bound(config.name, netlink))}\n")


@click.command()
@click.argument("interface", metavar="NAME|FILE.conf")
def down(interface: str) -> None:
    """Take an interface down.

    By its name, or by the file that it was brought up with. Its addresses, routes and rules go with it. Only what a
    userspace WireGuard serves is ever taken down, and only if it answers.
    """
    name = interface_name(Path(interface)) if interface.endswith(SUFFIX) else interface
    take_down(name, Netlink.open())
    write(f"{name} is down\n")


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def summary(interface: InterfaceStatus) -> str:
    """One line of what is."""
    link = interface.link
    addresses = [str(address) for address in link.addresses if not address.is_link_local] if link else []
    parts = [
        ", ".join(addresses) or "no address",
        f"port {interface.listen_port}",
        f"mtu {link.mtu if link else 'unknown'}",
        _count(len(interface.peers), "peer"),
        _count(len(link.routes) if link else 0, "route"),
    ]
    return f"{interface.name} is up: {'; '.join(parts)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
