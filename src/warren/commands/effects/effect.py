"""What verbs want done to the host, as values.

A verb is a generator that yields effects and is sent what came of each; one executor performs them. So a verb needs no
host to be tested, a dry run is the list of its effects, and no effect has a shell in it.
An effect that fails raises `EffectError` into the verb, which may go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar, cast

from warren.commands.result import EMPTY_SHA256

T = TypeVar("T")


class EffectError(Exception):
    """An effect was tried and failed; the text is for people and holds no secret."""


@dataclass(frozen=True, slots=True)
class Effect(Generic[T]):
    """Something to be done, of which a T comes; its repr shows no secret."""

    reads: ClassVar[bool] = False
    """Whether it changes nothing: then a dry run performs it."""

    def pretended(self) -> object:
        """What a dry run gives the verb in the place of what would come of it."""
        return None


Effects = Generator[Effect[object], object, T]
"""What a verb is: it yields effects and returns a T."""


def do(effect: Effect[T]) -> Effects[T]:
    """`outcome = yield from do(effect)`, with its type."""
    return cast("T", (yield cast("Effect[object]", effect)))


@dataclass(frozen=True, slots=True)
class Secret:
    """Octets that nothing shows: `open` alone gives them."""

    octets: bytes = field(repr=False)

    def open(self) -> bytes:
        """The octets."""
        return self.octets


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended."""

    rc: int
    """Its exit status; 128 and the signal's number where one ended it."""
    stdout: bytes
    """As much as is kept: see `truncated`."""
    stdout_sha256: str
    """Of all of it."""
    stderr_sha256: str
    stderr_tail: bytes = b""
    truncated: bool = False
    level: str = "L0"
    """The sandbox that was reached: L0 to L3."""


@dataclass(frozen=True, slots=True)
class RunScript(Effect[Finished]):
    """A script: `[scripts] name = path`, else one of `scripts_root`; checked before it runs (V-57, X-07).

    Raises CommandError SCRIPT_NOT_FOUND where there is none, EXEC_TIMEOUT at the deadline, EffectError where it may not
    be trusted: not absolute, a component writable by others, a hash that is not the pinned one.
    """

    name: str
    arguments: tuple[str, ...] = ()
    stdin: Secret = Secret(b"")
    """Secrets go here and nowhere else."""

    def pretended(self) -> object:
        return Finished(0, b"", EMPTY_SHA256, EMPTY_SHA256)


@dataclass(frozen=True, slots=True)
class RunProgram(Effect[Finished]):
    """A program by its absolute path, under the same sandbox."""

    argv: tuple[str, ...]
    stdin: Secret = Secret(b"")

    def pretended(self) -> object:
        return Finished(0, b"", EMPTY_SHA256, EMPTY_SHA256)


@dataclass(frozen=True, slots=True)
class ReadFile(Effect["bytes | None"]):
    """A file's octets; None where there is none."""

    reads: ClassVar[bool] = True

    path: str
    max_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class WriteFile(Effect[None]):
    """Replaces a file whole, or makes it: on the disk when done, never half. Owner and group stay, if it had any."""

    path: str
    content: Secret
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class RemoveFile(Effect[bool]):
    """Whether it was there."""

    path: str

    def pretended(self) -> object:
        return True


@dataclass(frozen=True, slots=True)
class ListDirectory(Effect[tuple[str, ...]]):
    """The names in it, sorted; none where there is no such directory."""

    reads: ClassVar[bool] = True

    path: str


@dataclass(frozen=True, slots=True)
class LockFile(Effect[None]):
    """From here to this command's end no other one holds the same file: what is read may be changed and written back.

    Effects of different commands overlap otherwise, and of two that add a line to a file one line would be lost. The
    file is a lock's alone: it is made where it is absent, for its owner only, and stays. Who holds two takes them in
    the order of their paths. It is let go however the command ends, also with its process.
    """

    path: str


@dataclass(frozen=True, slots=True)
class HashPassword(Effect[str]):
    """A bcrypt hash with a salt of its own, as crypt(5) and Apache know it: `$2y$`.

    bcrypt regards 72 octets: of a longer password, the first 72.
    """

    reads: ClassVar[bool] = True

    password: Secret
    cost: int


@dataclass(frozen=True, slots=True)
class RandomBytes(Effect[bytes]):
    """From the system's generator."""

    reads: ClassVar[bool] = True

    count: int


@dataclass(frozen=True, slots=True)
class Now(Effect[float]):
    """Seconds since the Unix epoch."""

    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class PutRecord(Effect[None]):
    """Keeps a small value of a provider, durably, when the effect is done. `expires` is when it goes by itself."""

    kind: str
    key: str
    value: Mapping[str, object]
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class GetRecord(Effect["Mapping[str, object] | None"]):
    """What is kept; None where there is none or it has expired."""

    reads: ClassVar[bool] = True

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class ListRecords(Effect["Mapping[str, Mapping[str, object]]"]):
    """All that are kept of a kind, by key."""

    reads: ClassVar[bool] = True

    kind: str


@dataclass(frozen=True, slots=True)
class DeleteRecord(Effect[bool]):
    """Whether there was one. Of two that drop the same, one has True."""

    kind: str
    key: str

    def pretended(self) -> object:
        return True


@dataclass(frozen=True, slots=True)
class RunPrivileged(Effect["Mapping[str, object]"]):
    """The part of this command that needs root: done by the runner, which verifies the envelope itself first."""


@dataclass(frozen=True, slots=True)
class Emit(Effect[None]):
    """An event for people and for the controller: `container.started`, `user.created`, `script.changed` (V-83)."""

    event: str
    fields: Mapping[str, object] = field(default_factory=dict)


def sha256_hex(octets: bytes) -> str:
    """64 digits in lower case."""
    return hashlib.sha256(octets).hexdigest()
