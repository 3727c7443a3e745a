"""What can go wrong, in one hierarchy.

Every error has a `code` that never changes, says whose fault it is, states the problem in one sentence with what was
expected, and says what to do. None holds a secret. `str()` is the problem alone; `hint` stands beside it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

HINTS = {
    "agent.absent": "start it: warren agent start",
    "agent.denied": "sign in anew after you were added to the group",
    "agent.failed": "its log says more",
    "agent.running": "one agent serves one socket: stop that one, or choose another path",
    "agent.silent": "it may still be done: `warren list` shows; its log says more",
    "agent.stopping": "start it again: warren agent start",
    "audit.altered": "`warren audit verify` says where",
    "audit.anchor": "give a checkpoint of this node: `warren audit head --checkpoint` prints one",
    "audit.key": "`warren identity show` on the node prints it",
    "audit.missing": "it begins with the first command that an agent is sent",
    "audit.unreadable": "check the path and who may read it",
    "commands.store": "commands are refused until it can be used: check who may use it, and the room on the disk",
    "command.malformed": "nothing was signed; `warren verbs` has each verb's arguments",
    "command.off": "pin the root that `warren trust init` made, as [security] root, and set exec_enable = true",
    "command.refused": "nothing was changed",
    "command.unusable": "check the path and who may use it",
    "config.invalid": "nothing was changed; mend the configuration and try again",
    "config.owner": "nothing was changed; chown it to root, or start the agent without file capabilities",
    "config.unreadable": "check the path and who may read it",
    "config.unsupported": "nothing was changed; wg-quick(8) can do it today, Warren's agent will",
    "config.unwritable": "choose another path: what is there is kept",
    "config.writable": "nothing was changed; whoever may write the file could take all traffic",
    "dns.changed": "nothing was overwritten; look at /etc/resolv.conf",
    "dns.journal": "put /etc/resolv.conf right by hand, then remove the journal",
    "dns.refused": "names are resolved as before; see the system's own words above",
    "echo.not_permitted": "allow a group of the agent in net.ipv4.ping_group_range, or give the agent CAP_NET_RAW",
    "endpoint.unresolved": "nothing was changed; check the name and this host's resolver",
    "engine.failed": "`warren-wg -f NAME` shows what it does, with LOG_LEVEL=verbose in the environment",
    "engine.missing": "install Warren whole: warren-wg belongs beside it, or on the PATH",
    "engine.no_kernel": "use the backend userspace, or auto; or load the module: modprobe wireguard",
    "engine.refused": "nothing was left behind",
    "helper.busy": "stop that agent first; one helper is for one",
    "helper.denied": "start the agent as the user of [daemon] in the configuration",
    "helper.ended": "start the agent again; its tunnels go on meanwhile",
    "helper.refused": "nothing was changed",
    "host.no_ipv6": "take its IPv6 out, or: sysctl -w net.ipv6.conf.all.disable_ipv6=0",
    "host.no_nftables": "load its modules: modprobe -a nf_tables nft_ct nft_fib_ipv4 nft_fib_ipv6",
    "host.no_tun": "without it there is no interface",
    "host.not_permitted": "run it as root",
    "host.output": "the reader has gone, or the disk is full: nothing else was lost",
    "host.port_in_use": "choose another ListenPort; `ss -ulpn` shows who has this one",
    "host.port_privileged": "choose a port from 1024 on; or: sysctl -w net.ipv4.ip_unprivileged_port_start=PORT",
    "host.refused": "see the system's own words above",
    "host.reverse_path": "nothing was changed; set it: sysctl -w net.ipv4.conf.all.src_valid_mark=1",
    "http.port_in_use": "choose another address in the configuration; `ss -ltnp` shows who has this one",
    "http.refused": "choose another address in the configuration",
    "http.token_file": "remove the file, and the next start makes one; or give it a token and mode 0640",
    "identity.absent": "make one with: warren identity init",
    "identity.exists": "warren identity show prints it; a new one, for which node.jwks goes, opens nothing of the old",
    "identity.invalid": "make a new one with: warren identity init, and have it signed",
    "interface.closed": "open it again",
    "interface.ended": "close it there, or end that program",
    "interface.exists": "take it down first, or choose another name",
    "interface.foreign": "whoever made it can take it down",
    "interface.missing": "`warren status` shows what is there",
    "interface.not_served": "`warren status` shows what is there",
    "interface.stale": "the next `warren up`, or start of the agent, clears it away",
    "key.malformed": "make one with: warren genkey, warren pubkey or warren genpsk",
    "key_file.directory": "chown root DIR; chmod go-w DIR; or chown the file to the user that the agent runs as",
    "key_file.exists": "choose another path: a key that is written over is lost",
    "key_file.invalid": "write one with: warren genkey --output FILE",
    "key_file.link": "name the file that it leads to",
    "key_file.outside": "nothing was changed; move the key there, or list its directory in the configuration",
    "key_file.owner": "make a new one, or chown it to root or to the user that the agent runs as",
    "key_file.read_only": "nothing was changed; let its owner write there, or change the key by hand",
    "key_file.readable": "whoever could read it has the key: make a new one, or close the file",
    "key_file.unusable": "check the path, who may use it, and the room on the disk",
    "key_memory.unlocked": (
        "without it a key can reach the disk by way of swap; LimitMEMLOCK=16M in the agent's unit, "
        "or give it CAP_IPC_LOCK: setcap cap_net_admin,cap_ipc_lock=+eip LAUNCHER"
    ),
    "network.state": "`warren status` shows what it is doing",
    "network.unknown": "`warren list` shows the networks that there are",
    "privilege.gained": "with file capabilities only what root has written counts; start it as root, or by its unit",
    "privilege.missing": "start it as root: it gives up the rest itself",
    "privilege.no_user": "name one that there is as [daemon] user",
    "request.denied": "ask an administrator of this host",
    "request.malformed": "nothing was changed",
    "request.unidentified": "connect from a process of this host that still runs",
    "rotation.stage": "nothing was changed; the steps are prepare, commit, and abort to go back",
    "trust.absent": "have one signed, then: warren trust install FILE",
    "trust.key": "make one with: warren trust init, or warren operator new NAME",
    "trust.lower": "the older one stays out: sign the new one with a higher version",
    "trust.malformed": "nothing was changed; make one with: warren trust sign",
    "trust.root": "pin the thumbprint of its root as [security] root, or sign it by a root that is pinned",
    "trust.unusable": "check the path, who may use it, and the room on the disk",
    "uapi.gone": "it is made again where the agent may write; where its directory went too, start the agent again",
    "sandbox.missing": "install Warren whole: warren-sandbox belongs beside it, or on the PATH",
    "sandbox.user": "name one that there is as [sandbox] user, or none; only root can run scripts as another",
    "uapi.malformed": "the program that serves the interface speaks another language",
    "uapi.refused": "its own log may say more",
    "value.invalid": "",
}
"""Every code, and what to do where the error itself does not say better."""


LIKE_A_KEY = re.compile(r"[A-Za-z0-9+/]{43}=|[0-9A-Fa-f]{64}")


def redact(text: str) -> str:
    """A text that somebody else wrote, unless it looks like a key: people put them into the wrong place (H-79)."""
    return "a text like a key" if LIKE_A_KEY.search(text) else text


def redacted_repr(text: str) -> str:
    """The same, as an error repeats it."""
    return repr(text) if redact(text) == text else redact(text)


class Fault(enum.StrEnum):
    """Whose fault an error is."""

    OURS = "ours"
    CALLER = "caller"
    REMOTE = "remote"


class WarrenError(Exception):
    """The base of all; raised only as one of the classes below.

    `errno` is the system's number for it, where there is one.
    """

    fault: ClassVar[Fault]

    def __init__(self, problem: str, *, code: str, errno: int | None = None, hint: str | None = None) -> None:
        super().__init__(problem)
        self.code = code
        self.errno = errno
        self.hint = HINTS[code] if hint is None else hint


class InputError(WarrenError):
    """A value or a file that was handed in cannot be used; nothing was changed."""

    fault = Fault.CALLER


class KeyTextError(InputError):
    """A text that is no key; it holds nothing of the text but its length."""


class KeyFileError(InputError):
    """A key file that is no key, or that others can read, or that is there already."""


class TrustError(InputError):
    """A trust bundle, or a node's or an operator's identity, that proves nothing or cannot be used."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a configuration: where, what, and what would be right."""

    key: str
    problem: str
    expected: str
    line: int | None = None

    def __str__(self) -> str:
        where = self.key if self.line is None else f"line {self.line}: {self.key}"
        return f"{where}: {self.problem}; {self.expected}"


class ConfigError(InputError):
    """A configuration with one finding or more; `source` says where it came from."""

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
    """A network is not in the state that the request needs, or there is none of that name; nothing was changed."""

    fault = Fault.CALLER


class HostError(WarrenError):
    """This host refused: not permitted, in use, not there, full."""

    fault = Fault.CALLER


class RemoteError(WarrenError):
    """Another program or machine did not answer, or not as agreed."""

    fault = Fault.REMOTE


class EngineError(WarrenError):
    """Our own engine did not do what it should."""

    fault = Fault.OURS
