"""The registry of conditions: what can be wrong with an agent while it runs, one row per name.

A condition appears in `warren status`, in `/healthz`, in the metric `warren_conditions` and in the log under the same
name. A name is `noun.state`. `tests/telemetry/test_conditions.py` keeps rows and code equal, and
docs/reference/conditions.md is generated from the rows.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from warren.errors import WarrenError


class Severity(enum.StrEnum):
    """The effect of a condition on the health of the agent."""

    DEGRADED = "degraded"
    """The agent is at best degraded."""
    INFO = "info"
    """The health stays the same."""


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """One row of the registry."""

    name: str
    severity: Severity
    meaning: str
    """One sentence."""
    hint: str
    """The next step; the text of the condition may name a better one."""


_DEGRADED, _INFO = Severity
ROWS = (
    ConditionRow(
        "address.foreign",
        _INFO,
        "The interface of a network has an address that another program added; it is left alone.",
        "if the network should have it, add it to `address`; else remove it with the program that added it",
    ),
    ConditionRow(
        "audit.unwritable",
        _DEGRADED,
        "The audit log cannot be written, so every command that changes something is refused.",
        "check the permissions of the audit directory and free disk space",
    ),
    ConditionRow(
        "bootstrap.unavailable",
        _DEGRADED,
        "The socket of the bootstrap pages could not be opened.",
        "let the agent's user be in bootstrap_group, or see the error",
    ),
    ConditionRow(
        "command.clock_behind",
        _DEGRADED,
        "The wall clock shows a time that has certainly passed, so commands are verified by the time floor.",
        "set the clock; if it is right, the trust bundle was signed while another clock was ahead: install a newer one,"
        " then run `warren command begin-record` as root",
    ),
    ConditionRow(
        "command.record_ahead",
        _DEGRADED,
        "The record of used commands was begun while the clock was ahead, so every command is refused until that time.",
        "check the clock; once it is right, run `warren command begin-record` as root",
    ),
    ConditionRow(
        "command.store_failed",
        _DEGRADED,
        "The command store of the agent or of its runner cannot be written, so commands are refused with QUEUE_FULL.",
        "free disk space or see the error; commands run again by themselves as soon as the store can be written",
    ),
    ConditionRow(
        "command.store_full",
        _DEGRADED,
        "The command store or the audit log has reached its size, so commands are refused with STORE_FULL.",
        "acknowledge results, move old files of the audit log away, or raise [security] store_max_mb or"
        " [monitoring] audit_log_max_mb",
    ),
    ConditionRow(
        "command.unavailable",
        _DEGRADED,
        "Signed commands do not run on this node.",
        "see the error; the agent tries again by itself, and the tunnels stay up meanwhile",
    ),
    ConditionRow(
        "config.rejected",
        _INFO,
        "The last reload was rejected, so the agent runs with the configuration that it had before.",
        "correct the file, then run: warren agent reload",
    ),
    ConditionRow(
        "config.restart_required",
        _INFO,
        "Tables of the configuration changed that take effect at the next start of the agent.",
        "restart the agent: warren agent stop, then warren agent start",
    ),
    ConditionRow(
        "config.warning",
        _INFO,
        "The configuration of a network is valid, but `warren validate` warns about it.",
        "run: warren validate",
    ),
    ConditionRow(
        "dns.changed",
        _INFO,
        "Another program changed the name servers while a network has its own there; nothing is overwritten.",
        "check /etc/resolv.conf, or reconnect the network",
    ),
    ConditionRow(
        "dns.journal_unusable",
        _INFO,
        "The record of the host's former name servers cannot be used, so name servers are not changed.",
        "restore /etc/resolv.conf manually, then remove the journal",
    ),
    ConditionRow(
        "dns.refused",
        _INFO,
        "The name servers of a network could not be set.",
        "see the error; the tunnel itself works",
    ),
    ConditionRow(
        "echo.unavailable",
        _INFO,
        "Latency and loss are not measured, because this process may not send ICMP echo requests.",
        "allow a group of the agent in net.ipv4.ping_group_range, or give the agent CAP_NET_RAW",
    ),
    ConditionRow(
        "endpoint.inside_tunnel",
        _DEGRADED,
        "Packets to the endpoint of a peer are routed into the tunnel that they carry, so they never arrive.",
        "run: warren doctor; `ip rule` and `ip route get` show the rule or route of another program",
    ),
    ConditionRow(
        "exit.blocked",
        _INFO,
        "A packet filter of another program drops what the exit node of a network forwards.",
        "add the rules that the condition names to that chain",
    ),
    ConditionRow(
        "exit.dns_silent",
        _INFO,
        "No name server of `exit_node.dns` answers this host, so peers that use the exit node resolve no names.",
        "check the servers, and whether this host may ask them",
    ),
    ConditionRow(
        "exit.forwarding_off",
        _INFO,
        "Another program ended the forwarding that the exit node of a network needs.",
        "set the setting that the condition names, or disconnect and connect the network",
    ),
    ConditionRow(
        "exit.journal_unusable",
        _INFO,
        "The record of the host's former settings of forwarding cannot be used, so no exit node is opened.",
        "check the settings below net.ipv4.conf and net.ipv6.conf, then remove the journal",
    ),
    ConditionRow(
        "exit.no_icmp",
        _INFO,
        "The exit node of a network without an interface forwards no ICMP echo.",
        "allow a group of the agent in net.ipv4.ping_group_range, or give the agent CAP_NET_RAW",
    ),
    ConditionRow(
        "exit.no_route",
        _INFO,
        "This host has no route to the destinations of an exit node.",
        "give this host a route, as `ip route` shows them, or set `exit_node.routes`",
    ),
    ConditionRow(
        "exit.refused",
        _INFO,
        "The exit node of a network could not be opened, so nothing is forwarded for its peers.",
        "see the error; the tunnel itself works",
    ),
    ConditionRow(
        "helper.ended",
        _DEGRADED,
        "The privileged helper exited: tunnels stay up, but keys of root and name servers cannot be changed.",
        "restart the agent",
    ),
    ConditionRow(
        "http.port_in_use",
        _DEGRADED,
        "An address of the local HTTP API is in use by another program.",
        "choose another address in the configuration; `ss -ltnp` shows which process uses this one",
    ),
    ConditionRow(
        "http.refused",
        _DEGRADED,
        "An address or the socket of the local HTTP API could not be opened.",
        "choose another address in the configuration",
    ),
    ConditionRow(
        "http.token_file_invalid",
        _DEGRADED,
        "The token file of the local HTTP API cannot be used.",
        "remove the file, then restart to create a new one; or write a token and chmod 640",
    ),
    ConditionRow(
        "key_file.read_only",
        _INFO,
        "The previous private key could not be removed after a rotation, because its file is read-only.",
        "remove the file PATH.previous manually",
    ),
    ConditionRow(
        "key_file.unusable",
        _INFO,
        "The previous private key could not be removed after a rotation.",
        "check the path, its permissions and free disk space",
    ),
    ConditionRow(
        "key_memory.unlocked",
        _INFO,
        "Keys are not locked in memory, so a key can reach the disk through swap.",
        "set LimitMEMLOCK=16M in the agent's unit, or give the agent CAP_IPC_LOCK",
    ),
    ConditionRow(
        "monitor.unavailable",
        _INFO,
        "The kernel's reports of changes cannot be read, so what other programs change is noticed after some seconds.",
        "see the error; the agent tries again by itself",
    ),
    ConditionRow(
        "network.failed",
        _DEGRADED,
        "A network is not up, or its last change was refused.",
        "see the error; the agent retries by itself",
    ),
    ConditionRow(
        "peer.pending",
        _DEGRADED,
        "The name of a peer's endpoint does not resolve.",
        "check the name and this host's resolver",
    ),
    ConditionRow(
        "route.overlaps_lan",
        _INFO,
        "A prefix of a peer is also the prefix of another link of this host.",
        "use other prefixes, if hosts of that LAN must be reachable",
    ),
    ConditionRow(
        "runner.unavailable",
        _DEGRADED,
        "The privileged runner does not run, so commands that need root are refused.",
        "see the cause; the agent restarts the runner by itself",
    ),
    ConditionRow(
        "service.down",
        _DEGRADED,
        "A watched service is not active.",
        "see its log: journalctl -u UNIT",
    ),
    ConditionRow(
        "stack.flows_limited",
        _INFO,
        "A network without an interface has fewer connections than `max_flows`, by the limit of file descriptors.",
        "raise the hard limit, as LimitNOFILE= of the unit, or lower `max_flows`",
    ),
    ConditionRow(
        "stack.not_listening",
        _DEGRADED,
        "A proxy, a forward or a DNS listener of a network without an interface is not open; it is tried again.",
        "see the error: another program may have the address",
    ),
    ConditionRow(
        "trust.expiring",
        _DEGRADED,
        "The trust bundle has expired or expires soon.",
        "sign a new bundle, then run: warren trust install FILE",
    ),
    ConditionRow(
        "trust.missing",
        _DEGRADED,
        "No valid trust bundle is installed, so no command can be verified.",
        "sign one, then run: warren trust install FILE",
    ),
    ConditionRow(
        "uapi.socket_missing",
        _INFO,
        "Another program removed the UAPI socket of an interface, so `wg` does not see it.",
        "the agent creates it again if it can write to the directory; else restart the agent",
    ),
)
CONDITIONS: Mapping[str, ConditionRow] = MappingProxyType({row.name: row for row in ROWS})


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition that holds now: a name of the registry, and a sentence about this case."""

    name: str
    sentence: str

    @classmethod
    def of_error(cls, error: WarrenError, fallback: str) -> Condition:
        """Return the condition of an error: named by its code if that is a row, else by `fallback`."""
        name = error.code if error.code in CONDITIONS else fallback
        return cls(name, f"{error}; {error.hint}")

    @property
    def severity(self) -> Severity:
        """Return the severity of the condition's row."""
        return CONDITIONS[self.name].severity

    def about(self, subject: str) -> Condition:
        """Return the same condition, with the subject named in front of its sentence."""
        return replace(self, sentence=f"{subject}: {self.sentence}")
