"""`warren up` and `warren down`: one interface, without an agent."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from warren._core import Netlink
from warren.cli.format import format_count
from warren.cli.help import Command
from warren.cli.output import warn, write
from warren.clock import monotonic_seconds
from warren.tunnel.address_search import AddressSearch, with_addresses
from warren.tunnel.io.address_search import search_in_foreground
from warren.tunnel.io.bringup import bring_up
from warren.tunnel.io.conffile import SUFFIX, interface_name, read_supported
from warren.tunnel.io.observe import observe_bound, query_engine
from warren.tunnel.io.process import WgProcess
from warren.tunnel.io.resolver import resolve_endpoints
from warren.tunnel.io.teardown import take_down
from warren.tunnel.status import InterfaceStatus, peer_status


@click.command(cls=Command, examples=("warren up ./wg0.conf", "warren up /etc/wireguard/wg0.conf"))
@click.argument("file", metavar="FILE.conf", type=click.Path(path_type=Path, readable=False))
def up(file: Path) -> None:
    """Bring an interface up from a wg-quick file.

    The interface is named after FILE.conf. Warren starts its engine in the background, sets addresses, MTU and routes,
    and resolves endpoint names once. A default route goes into a routing table of its own. If a step fails, all changes
    are undone. An interface that is already up is an error, as with wg-quick(8).

    If a name has several addresses and its peer has PersistentKeepalive, they are tried until the peer answers, for
    15 s at most.

    DNS, PreUp, PostUp, PreDown, PostDown and SaveConfig are not supported. wg-quick supports them with Warren's engine:

    \b
      WG_QUICK_USERSPACE_IMPLEMENTATION=warren-wg wg-quick up FILE.conf
    """
    signal.signal(signal.SIGTERM, _interrupt)
    conf = read_supported(file)
    for warning in conf.warnings:
        warn(warning)
    # Nothing reconciles this interface: after a kill of its engine, a fallback would cut the host off for good.
    config = replace(conf.content.interface, has_fallback=False)
    addresses = resolve_endpoints(config)
    netlink = Netlink.open()
    engine = WgProcess(config.name, netlink)
    bring_up(with_addresses(config, addresses), engine, netlink)
    write(f"{summary(observe_bound(config.name, netlink))}\n")
    search = AddressSearch(config, addresses, monotonic_seconds())
    search_in_foreground(search, engine, lambda: tuple(map(peer_status, query_engine(config.name).peers)))
    for name, tried in search.unanswered():
        warn(f"{name} has not answered yet; tried {', '.join(map(str, tried)) or 'its first address'}")


@click.command(cls=Command, examples=("warren down wg0", "warren down ./wg0.conf"))
@click.argument("interface", metavar="NAME|FILE.conf")
def down(interface: str) -> None:
    """Take an interface down.

    Name the interface, or the file that it was brought up with. Its addresses, routes and rules are removed. Only an
    interface that a userspace WireGuard serves is taken down, and only if its engine answers.
    """
    name = interface_name(Path(interface)) if interface.endswith(SUFFIX) else interface
    take_down(name, Netlink.open())
    write(f"{name} is down\n")


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def summary(interface: InterfaceStatus) -> str:
    """Return the state of an interface as a line."""
    link = interface.link
    addresses = [str(address) for address in link.addresses if not address.is_link_local] if link else []
    parts = [
        ", ".join(addresses) or "no address",
        f"port {interface.listen_port}",
        f"mtu {link.mtu if link else 'unknown'}",
        format_count(len(interface.peers), "peer"),
        format_count(len(link.routes) if link else 0, "route"),
    ]
    return f"{interface.name} is up: {'; '.join(parts)}"
