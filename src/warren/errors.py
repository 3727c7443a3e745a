"""What can go wrong, in one hierarchy.

Every error has a `code` that never changes, says whose fault it is, states the problem in one sentence with what was
expected, and says what to do. None holds a secret. `str()` is the problem alone; `remedy` stands beside it.
"""

from __future__ import annotations

import enum
import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class Fault(enum.StrEnum):
    """Whose fault an error is."""

    OURS = "ours"
    CALLER = "caller"
    FAR_SIDE = "far side"


class WarrenError(Exception):
    """The base of all; raised only as one of the classes below."""

    fault: ClassVar[Fault]

    def __init__(self, problem: str, *, code: str, remedy: str) -> None:
        super().__init__(problem)
        self.code = code
        self.remedy = remedy


class InputError(WarrenError):
    """A value or a file that was handed in cannot be used; nothing was changed."""

    fault = Fault.CALLER


class KeyTextError(InputError):
    """A text that is no key; it holds nothing of the text but its length."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem, code="key.malformed", remedy="make one with: warren genkey (or pubkey, genpsk)")


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
    """A configuration with one finding or more, every one of them listed."""

    def __init__(self, findings: Sequence[Finding], *, source: str = "") -> None:
        self.findings = tuple(findings)
        self.source = source
        prefix = f"{source}: " if source else ""
        super().__init__(
            "\n".join(f"{prefix}{finding}" for finding in self.findings),
            code="config.invalid",
            remedy="nothing was changed; mend the configuration and try again",
        )


class InterfaceError(WarrenError):
    """An interface is not in the state that the call needs; nothing was changed."""

    fault = Fault.CALLER


class FarSideError(WarrenError):
    """Another program or machine did not answer, or not as agreed."""

    fault = Fault.FAR_SIDE


class EngineError(WarrenError):
    """Our own engine did not do what it should."""

    fault = Fault.OURS


REMEDIES = {
    errno.EPERM: "run it as root, or with CAP_NET_ADMIN",
    errno.EACCES: "run it as root, or with CAP_NET_ADMIN",
    errno.EADDRINUSE: "choose another listen port; `ss -ulpn` shows who has this one",
    errno.ENOENT: "check the name; `warren status` shows what is there",
    errno.ENODEV: "check the name; `warren status` shows what is there",
    errno.EEXIST: "choose another name, or remove what has it",
    errno.ENOSPC: "free some space and try again",
}


class HostError(WarrenError):
    """This host refused; `errno` says why where the system gave a number, else 0."""

    fault = Fault.CALLER

    def __init__(self, problem: str, *, code: str = "host.refused", errno: int = 0, remedy: str = "") -> None:
        super().__init__(problem, code=code, remedy=remedy or REMEDIES.get(errno, "see the system's own words above"))
        self.errno = errno
