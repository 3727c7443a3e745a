"""Which backends may serve a network, in the order in which they are tried, and why others may not.

    kernel, userspace   an interface of the host: applications reach the network by its routes
    netstack            no interface, route or privilege: they reach it by proxies, forwards and warren.Node

`auto` tries the kernel's WireGuard, then the engine on a TUN, each only where it serves all that the network asks for.
It takes the netstack only for a network that has a proxy, a forward or an exit, and neither name servers for the host
nor a default route. Any other network would seem to be up while the traffic of the host passes outside the tunnel in
clear.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from warren.tunnel.config import IPNetwork
from warren.tunnel.coverage import taking_all
from warren.tunnel.network import Backend, ConcreteBackend, NetworkConfig

ON_HOST: tuple[ConcreteBackend, ...] = ("kernel", "userspace")
ORDER: tuple[ConcreteBackend, ...] = (*ON_HOST, "netstack")


@dataclass(frozen=True, slots=True)
class BackendRule:
    """The backends that may serve one network."""

    candidates: tuple[ConcreteBackend, ...]
    """In the order in which they are tried; empty if none serves all that the network asks for."""
    excluded: Mapping[ConcreteBackend, str] = field(default_factory=dict)
    """Why each of the others may not, under `auto`."""
    configured: Backend = "auto"

    @property
    def may_have_link(self) -> bool:
        """Return True if the network may get an interface of the host, with routes and rules."""
        return any(backend in ON_HOST for backend in self.candidates)


def backend_rule(network: NetworkConfig) -> BackendRule:
    """Return the backends that may serve `network`."""
    if network.backend != "auto":
        return BackendRule((network.backend,), configured=network.backend)
    excluded: dict[ConcreteBackend, str] = {}
    if keys := [*network.netstack_keys()]:
        excluded |= dict.fromkeys(ON_HOST, f"it does not serve {', '.join(keys)}")
    if network.exit_node.dns:
        excluded["netstack"] = "it does not serve exit_node.dns"
    elif reason := leak_reason(network):
        excluded["netstack"] = reason
    return BackendRule(tuple(backend for backend in ORDER if backend not in excluded), excluded)


def may_have_links(networks: Sequence[NetworkConfig]) -> bool:
    """Return False if every network is a stack of its own, so that an agent changes nothing of its host's networks."""
    return not networks or any(backend_rule(network).may_have_link for network in networks)


def needs_net_admin(networks: Sequence[NetworkConfig]) -> bool:
    """Return True if a network cannot do without an interface of this host."""
    return not networks or any("netstack" not in backend_rule(network).candidates for network in networks)


def leak_reason(network: NetworkConfig) -> str:
    """Return why traffic of the host would pass outside the tunnel in clear under a netstack; empty if none would."""
    if not network.has_entrance():
        return (
            "the network has no proxy, forward or exit, so traffic of the host would pass outside the tunnel in clear"
        )
    if network.dns:
        return "`dns` sets the host's name servers, whose questions would pass outside the tunnel in clear"
    if default := next(_default_routes(network), None):
        return f"{default} is a default route of the host, whose traffic would pass outside the tunnel in clear"
    return ""


def _default_routes(network: NetworkConfig) -> Iterator[IPNetwork]:
    """Yield the prefixes of the network that take all traffic of the host, alone or together."""
    prefixes = [prefix for peer in network.peers for prefix in peer.allowed_ips]
    everything = taking_all(prefixes)
    yield from (prefix for prefix in prefixes if prefix in everything)
