"""Set, verify and revert the host's name servers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from warren.config.parsers import IPAddress
from warren.errors import HostError
from warren.privsep.io.helper_state import HelperState
from warren.privsep.operation import Operation
from warren.privsep.wire import ERROR, NOTHING, Codec, parsed_codec, text_codec, tuple_codec
from warren.tunnel.config import interface_name_findings
from warren.tunnel.dns_journal import DnsBackend
from warren.tunnel.network import network_name_findings

MAX_SERVERS = 32  # of one network; a resolver uses three
MAX_PROBLEMS = 1024


@dataclass(frozen=True, slots=True)
class ApplyDns:
    """Ask these servers for names."""

    network: str
    interface: str
    servers: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class VerifyDns:
    """Verify that names still go where a network has them go."""

    network: str


@dataclass(frozen=True, slots=True)
class RevertDns:
    """Give the host back the name servers from before a network."""

    network: str


@dataclass(frozen=True, slots=True)
class RecoverDns:
    """Revert what a killed agent left behind."""


@dataclass(frozen=True, slots=True)
class GetHostDns:
    """Return the host's own name servers."""


def apply_dns(state: HelperState, request: ApplyDns) -> DnsBackend:
    """Return the backend that the servers were set with. Raises HostError."""
    return state.resolver.apply(request.network, request.interface, request.servers)


def verify_dns(state: HelperState, request: VerifyDns) -> None:
    """Raise HostError if another program has changed the name servers."""
    state.resolver.verify(request.network)


def revert_dns(state: HelperState, request: RevertDns) -> None:
    """Revert the name servers of one network. Raises HostError."""
    state.resolver.revert(request.network)


def recover_dns(state: HelperState, _: RecoverDns) -> tuple[HostError, ...]:
    """Return what could not be reverted."""
    return state.resolver.recover()


def get_host_dns(state: HelperState, _: GetHostDns) -> tuple[IPAddress, ...]:
    """Return the host's own name servers. Raises HostError."""
    return state.resolver.host_servers()


def _decode_problem(value: object) -> HostError:
    if isinstance(error := ERROR.decode(value), HostError):
        return error
    raise ValueError("expected an error of the host")


NETWORK = text_codec(network_name_findings)
INTERFACE = text_codec(interface_name_findings)
ADDRESS: Codec[IPAddress] = parsed_codec(ip_address)
PROBLEMS = tuple_codec(Codec(ERROR.encode, _decode_problem), 0, MAX_PROBLEMS)

APPLY_DNS = Operation(
    ApplyDns,
    {"network": NETWORK, "interface": INTERFACE, "servers": tuple_codec(ADDRESS, 1, MAX_SERVERS)},
    apply_dns,
    parsed_codec(DnsBackend),
)
VERIFY_DNS = Operation(VerifyDns, {"network": NETWORK}, verify_dns, NOTHING)
REVERT_DNS = Operation(RevertDns, {"network": NETWORK}, revert_dns, NOTHING)
RECOVER_DNS = Operation(RecoverDns, {}, recover_dns, PROBLEMS)
GET_HOST_DNS = Operation(GetHostDns, {}, get_host_dns, tuple_codec(ADDRESS, 0, MAX_PROBLEMS))
