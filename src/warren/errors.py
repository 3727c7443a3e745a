"""The hierarchy of errors, and the hint for each error code.

Every error has a `code` that never changes and a `fault`: ours, the caller's or the remote side's. `str(error)` is the
problem in one sentence, with what was expected. `error.hint` is what to do about it. No error holds a secret.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

HINTS = {
    "agent.unavailable": "start it: warren agent start",
    "agent.denied": "log in again after you were added to the group",
    "agent.failed": "see the agent log",
    "agent.running": "stop the other agent, or choose another socket path",
    "agent.timeout": "the agent may still complete the request: see `warren list` and the agent log",
    "agent.stopping": "start it again: warren agent start",
    "audit.tampered": "`warren audit verify` shows where",
    "audit.invalid_anchor": "pass a checkpoint of this node: `warren audit head --checkpoint` prints one",
    "audit.invalid_key": "`warren identity show` on the node prints it",
    "audit.missing": "the log starts with the first command that an agent receives",
    "audit.unreadable": "check the path and its permissions",
    "backend.unavailable": (
        "start the agent as root for an interface of this host; or set backend to netstack, and reach the network by "
        "a proxy or a forward"
    ),
    "capture.running": "end it, or wait: there is one at a time",
    "command.disabled": "pin the root that `warren trust init` created as [security] root, and set exec_enable = true",
    "command.malformed": "nothing was signed; `warren verbs` lists the arguments of each verb",
    "command.refused": "nothing was changed",
    "command.store_failed": "no command runs until the store works again: check its permissions and free disk space",
    "command.unusable": "check the path and its permissions",
    "config.empty": "nothing was changed; to remove them nevertheless: warren agent reload --allow-empty",
    "config.invalid": "nothing was changed; correct the configuration and try again",
    "config.permissions": "nothing was changed; a user who can write the file can redirect all traffic",
    "config.unreadable": "check the path and its permissions",
    "config.unsupported": "nothing was changed; use wg-quick(8) for this configuration",
    "config.untrusted_owner": "nothing was changed; chown it to root, or start the agent without file capabilities",
    "config.unwritable": "choose another path; existing files are never overwritten",
    "dial.forbidden": "the policy of the far side decides; see its configuration",
    "dial.failed": "try again when other connections have ended",
    "dial.refused": "nothing listens on that port",
    "dial.timed_out": "check the address, and that the peer is up: warren peers",
    "dns.changed": "nothing was overwritten; check /etc/resolv.conf",
    "dns.journal_unusable": "restore /etc/resolv.conf manually, then remove the journal",
    "dns.refused": "DNS settings are unchanged; see the error above",
    "echo.not_permitted": "allow a group of the agent in net.ipv4.ping_group_range, or give the agent CAP_NET_RAW",
    "endpoint.unresolved": "nothing was changed; check the name and this host's resolver",
    "engine.failed": "run `LOG_LEVEL=verbose warren-wg -f NAME` to see its log",
    "engine.missing": "reinstall Warren: warren-wg must be next to it or on the PATH",
    "engine.no_kernel": "set backend to userspace or auto, or load the module: modprobe wireguard",
    "engine.refused": "nothing was left behind",
    "exit.blocked": "add the rules that the error names to that chain",
    "exit.forwarding_off": "set the setting that the error names, or disconnect and connect the network",
    "exit.journal_unusable": "check the settings below net.ipv4.conf and net.ipv6.conf, then remove the journal",
    "exit.refused": "nothing is forwarded; the tunnel itself works",
    "helper.busy": "stop that agent first; a helper serves one agent",
    "helper.denied": "start the agent as the user of [daemon] in the configuration",
    "helper.ended": "restart the agent; its tunnels stay up meanwhile",
    "helper.failed": "see its log: journalctl -u '*helper.service'; it serves the next request",
    "helper.refused": "nothing was changed",
    "host.no_ipv6": "remove the IPv6 addresses, or run: sysctl -w net.ipv6.conf.all.disable_ipv6=0",
    "host.no_nftables": "load the modules: modprobe -a nf_tables nft_ct nft_fib_ipv4 nft_fib_ipv6",
    "host.no_tun": "load the module: modprobe tun",
    "host.not_permitted": "run it as root",
    "host.port_in_use": "choose another ListenPort; `ss -ulpn` shows which process uses this one",
    "host.port_privileged": "choose a port from 1024 on, or run: sysctl -w net.ipv4.ip_unprivileged_port_start=PORT",
    "host.refused": "see the error above",
    "host.reverse_path_filter": "nothing was changed; run: sysctl -w net.ipv4.conf.all.src_valid_mark=1",
    "http.port_in_use": "choose another [http] port or bind; `ss -ltnp` shows which process uses this one",
    "http.refused": "set [http] bind to addresses of this host, and [http] port from 1024 on",
    "http.token_file_invalid": "remove the file and restart to create a new one; or write a token and correct its mode",
    "identity.missing": "create one: warren identity init",
    "identity.exists": "`warren identity show` prints it; secrets sealed for it cannot be opened with a new one",
    "identity.invalid": "create a new one with `warren identity init`, and add it to the trust bundle",
    "interface.closed": "open it again",
    "interface.ended": "close it in the program that opened it, or end that program",
    "interface.exists": "take it down first, or choose another name",
    "interface.missing": "`warren status` lists the interfaces",
    "interface.not_owned": "take it down with the program that created it",
    "interface.not_served": "`warren status` lists the interfaces",
    "interface.stale": "the next `warren up` or agent start removes it",
    "key.malformed": "create one with: warren genkey, warren pubkey or warren genpsk",
    "key_file.directory_permissions": "chown root DIR; chmod go-w DIR; or chown the file to the agent's user",
    "key_file.exists": "choose another path; an overwritten key is lost",
    "key_file.invalid": "create one with: warren genkey --output FILE",
    "key_file.mount_point": "nothing was changed; mount its directory in place of the file, or replace the key by hand",
    "key_file.not_allowed": "nothing was changed; move the key there, or add its directory to the configuration",
    "key_file.permissions": "create a new key if somebody may have read it; else chmod 600 the file",
    "key_file.read_only": "nothing was changed; let its owner write to it, or replace the key manually",
    "key_file.symlink": "use the path of its target",
    "key_file.untrusted_owner": "create a new key, or chown the file to root or to the agent's user",
    "key_file.unusable": "check the path, its permissions and free disk space",
    "key_memory.unlocked": (
        "a key can reach the disk through swap; set LimitMEMLOCK=16M in the agent's unit, "
        "or give it CAP_IPC_LOCK: setcap cap_net_admin,cap_ipc_lock=+eip LAUNCHER"
    ),
    "name.unresolved": "check the name, and the network's dns and dns_routes",
    "network.invalid_state": "`warren status` shows the current state",
    "network.unknown": "`warren list` lists the networks",
    "output.write_failed": "check the reader of the pipe and free disk space; no other data was lost",
    "path.untrusted": "chown every part of the path to root, and remove write permission for other users",
    "peer.unreachable": "check the endpoint of the peer, and that both sides have each other's public key",
    "privilege.file_capabilities": "start it as root or by its unit; file capabilities need paths owned by root",
    "privilege.missing": "start it as root; it drops the privileges that it does not need",
    "privilege.unknown_user": "set [daemon] user to an existing user",
    "request.denied": "ask an administrator of this host",
    "request.malformed": "nothing was changed",
    "request.unidentified": "connect from a process of this host that is still running",
    "rotation.invalid_step": "nothing was changed; the steps are prepare and commit, or abort",
    "runner.busy": "stop that agent first; a runner serves one agent",
    "runner.denied": "start the agent as the user of [daemon] in the configuration",
    "runner.unavailable": "enable it: systemctl enable --now warren-runner.socket",
    "sandbox.forbidden_user": "set [sandbox] user to another user, which is in no group of root or of the agent",
    "sandbox.missing": "reinstall Warren: warren-sandbox must be next to it or on the PATH",
    "sandbox.unknown_user": "set [sandbox] user to an existing user, or remove it",
    "sandbox.unprivileged": "run signed commands by the privileged runner: systemctl enable --now warren-runner.socket",
    "trust.cluster_mismatch": "nothing was changed; sign a bundle of this node's cluster, or set the node up anew",
    "trust.invalid_key": "create one with: warren trust init, or warren operator new NAME",
    "trust.malformed": "nothing was changed; create one with: warren trust sign",
    "trust.missing": "sign one, then run: warren trust install FILE",
    "trust.rollback": "nothing was changed; sign the bundle with a version higher than the installed one",
    "trust.root_not_pinned": "pin the thumbprint of its root as [security] root, or sign it with a pinned root",
    "trust.unusable": "check the path, its permissions and free disk space",
    "uapi.malformed": "the program that serves the interface does not speak the UAPI protocol",
    "uapi.refused": "see the log of the program that serves the interface",
    "uapi.socket_missing": "the agent creates it again if it can write to the directory; else restart the agent",
    "value.invalid": "",
}
"""The hint of every error code. An error that knows better carries its own."""


LIKE_A_KEY = re.compile(r"[A-Za-z0-9+/]{43}=|[0-9A-Fa-f]{64}")


def redact(text: str) -> str:
    """Return the text, or a placeholder if it looks like a key: users paste keys into wrong fields (H-79)."""
    return "a text like a key" if LIKE_A_KEY.search(text) else text


def redacted_repr(text: str, max_characters: int | None = None) -> str:
    """Return the quoted text for an error message, or a placeholder if it looks like a key.

    It is cut after `max_characters`, and never before: a part of a key no longer looks like one.
    """
    if redact(text) != text:
        return redact(text)
    return repr(text[:max_characters])


class Fault(enum.StrEnum):
    """The side that has to act on an error."""

    OURS = "ours"
    CALLER = "caller"
    REMOTE = "remote"


class WarrenError(Exception):
    """The base class of all errors; only its subclasses are raised.

    `errno` is the system's error number, where there is one.
    """

    fault: ClassVar[Fault]

    def __init__(self, problem: str, *, code: str, errno: int | None = None, hint: str | None = None) -> None:
        super().__init__(problem)
        self.code = code
        self.errno = errno
        self.hint = HINTS[code] if hint is None else hint


class InputError(WarrenError):
    """A value or a file of the caller cannot be used; nothing was changed."""

    fault = Fault.CALLER


class KeyTextError(InputError):
    """A text is not a valid key. The error states its length and never its content."""


class KeyFileError(InputError):
    """A key file is invalid, readable by others, or already exists."""


class TrustError(InputError):
    """A trust bundle or an identity is invalid, untrusted or cannot be used."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in a configuration: its position, the problem and what was expected."""

    key: str
    problem: str
    expected: str
    line: int | None = None

    def __str__(self) -> str:
        where = self.key if self.line is None else f"line {self.line}: {self.key}"
        return f"{where}: {self.problem}; {self.expected}"


class ConfigError(InputError):
    """A configuration has one finding or more; `source` names the file it was read from."""

    def __init__(
        self, findings: Sequence[Finding], *, source: str = "", code: str = "config.invalid", hint: str | None = None
    ) -> None:
        self.findings = tuple(findings)
        prefix = f"{source}: " if source else ""
        super().__init__("\n".join(f"{prefix}{finding}" for finding in self.findings), code=code, hint=hint)


class InterfaceError(WarrenError):
    """An interface is not in the state that the call needs; nothing was changed."""

    fault = Fault.CALLER


class StateError(WarrenError):
    """A network is unknown or not in the state that the request needs; nothing was changed."""

    fault = Fault.CALLER


class HostError(WarrenError):
    """The operating system denied an operation: not permitted, in use, missing or full."""

    fault = Fault.CALLER


class RemoteError(WarrenError):
    """Another program or host did not answer, or broke the protocol."""

    fault = Fault.REMOTE


class Unreachable(RemoteError):  # noqa: N818, a name of the public API
    """An address in the tunnel cannot be reached: no peer has it, or its peer does not lead there."""

    def __init__(
        self,
        problem: str,
        *,
        code: str = "peer.unreachable",
        peer: str | None = None,
        handshake_age_seconds: float | None = None,
    ) -> None:
        super().__init__(problem, code=code)
        self.peer = peer
        """The public key of the peer that has the address, or None if no peer has it."""
        self.handshake_age_seconds = handshake_age_seconds
        """The age of that peer's last handshake, or None if there was none."""


class EngineError(WarrenError):
    """Warren's own engine failed."""

    fault = Fault.OURS
