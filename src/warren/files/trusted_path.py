"""One walk, component by component, that proves who can write a path (V-57).

The walk opens each component relative to the one before it, without following a link, and checks the descriptor that
it got: its owner is one of `Trust.owners`, and neither its group nor others can write it. So whatever was proven stays
true: nobody else can put another file in the place of any part of the path.

Links are refused, or followed if `Trust.follow_links` is set. A link that is followed lies in a proven directory and
belongs to a trusted user, and its target is walked in the same way.

A file with a second name is refused in a directory that does not belong to root: whoever may make names there can give
another user's file one (where fs.protected_hardlinks is 0).

A directory with the sticky bit that others can write (as /tmp) is passed only if `Trust.allow_sticky` is set, and only
on the way to a directory of a trusted user: nobody else can rename or remove that, and directories have no hard links.
What lies directly in such a directory is refused.
"""

from __future__ import annotations

import enum
import errno
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from warren.errors import HostError
from warren.files.directory import DIRECTORY_FLAGS, NO_FOLLOW, PROBE_FLAGS, READ_FLAGS, Directory, open_directory

ROOT = 0
ROOT_ONLY = frozenset((ROOT,))
WRITERS = stat.S_IWGRP | stat.S_IWOTH
MAX_LINKS = 40  # as many as the kernel follows (path_resolution(7))


class Doubt(enum.Enum):
    """Why a component is not trusted."""

    OWNER = enum.auto()
    WRITABLE = enum.auto()
    LINK = enum.auto()
    HARD_LINK = enum.auto()


class UntrustedPathError(HostError):
    """A component of a path can be changed by a user who is not trusted, or is a link."""

    def __init__(self, doubt: Doubt, component: Path, status: os.stat_result) -> None:
        self.doubt = doubt
        self.component = component
        problem, hint = _explain(doubt, component, status)
        super().__init__(problem, code="path.untrusted", errno=errno.EPERM, hint=hint)


@dataclass(frozen=True, slots=True)
class Trust:
    """The users who may own the parts of a path, and what else a walk accepts."""

    owners: frozenset[int] = ROOT_ONLY
    follow_links: bool = False
    link_owners: frozenset[int] | None = None
    """The users whose links are followed; None is every owner."""
    allow_sticky: bool = True


ROOT_TRUST = Trust()
"""The trust in what only root can write."""
ROOT_PATH_TRUST = Trust(follow_links=True)
"""The trust in a path that the configuration or the package names: links of root's may be a part of it."""
NAMED_BY_USER: Trust | None = None
"""No proof: whoever runs this process has named the path, and its permissions decide."""


def process_trust(*others: int) -> Trust | None:
    """Return the trust for a path that the configuration names.

    Root uses only what nobody else can write, apart from the users `others`, and follows no link of theirs; any other
    process has its own permissions and needs no proof.
    """
    if sys.platform != "win32" and os.geteuid() == ROOT:
        return replace(ROOT_PATH_TRUST, owners=ROOT_ONLY.union(others), link_owners=ROOT_ONLY)
    return None


@dataclass(frozen=True, slots=True)
class TrustedEntry:
    """The end of a walk. `path` has no link in it; `descriptor` is open while the context lasts (O_PATH)."""

    path: Path
    descriptor: int

    @property
    def status(self) -> os.stat_result:
        """Return the state of what was opened."""
        return os.fstat(self.descriptor)


@contextmanager
def walk_trusted(path: Path, trust: Trust = ROOT_TRUST, below: Directory | None = None) -> Iterator[TrustedEntry]:
    """Prove a path from the root directory, or from `below`, which is taken as proven, down to its last component.

    Raises:
        UntrustedPathError: a component can be changed by a user who is not trusted, or is a link that is not followed.
        OSError: a component does not exist or cannot be opened.
    """
    with ExitStack() as opened:
        walk = _Walk(trust, opened, Path("/") if below is None else below.path)
        if below is None:
            walk.start(os.open("/", DIRECTORY_FLAGS))
            opened.callback(os.close, walk.descriptors[0])
            _check(walk.top, os.fstat(walk.descriptors[0]), trust)
            walk.follow(_components(str(path.absolute())))
        else:
            walk.start(below.descriptor)
            walk.follow(_components(str(path)))
        yield TrustedEntry(walk.path, walk.descriptors[-1])


def trusted_directory(path: Path, trust: Trust = ROOT_TRUST, below: Directory | None = None) -> Directory:
    """Open a directory in which only a trusted user can make, rename or remove anything. Raises as `walk_trusted`."""
    with walk_trusted(path, trust, below) as found:
        status = found.status
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        if status.st_mode & WRITERS:  # sticky, and so passed on the way, but not good enough at its end
            raise UntrustedPathError(Doubt.WRITABLE, found.path, status)
        return Directory(found.path, os.dup(found.descriptor))


def open_trusted(path: Path, flags: int = READ_FLAGS, mode: int = 0o600, trust: Trust = ROOT_TRUST) -> int:
    """Open or make a file that only a trusted user can have put there, and return its descriptor.

    The last component is never a link. Raises as `walk_trusted`.
    """
    with trusted_directory(path.parent, trust) as directory:
        return open_trusted_in(directory, path.name, flags, mode, trust)


def open_trusted_in(
    directory: Directory, name: str, flags: int = READ_FLAGS, mode: int = 0o600, trust: Trust = ROOT_TRUST
) -> int:
    """Open or make a file in a proven directory. Raises as `walk_trusted`."""
    try:
        descriptor = directory.open(name, flags, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UntrustedPathError(Doubt.LINK, directory.path / name, directory.status(name)) from error
        raise
    try:
        _check_file(directory, name, os.fstat(descriptor), trust)
    except UntrustedPathError:
        os.close(descriptor)
        raise
    return descriptor


def open_in_place(path: Path, flags: int, mode: int = 0o600, *, trust: Trust | None) -> int:
    """Open or make a file that is no link: proven, or for None with the permissions of this process.

    Raises OSError and UntrustedPathError.
    """
    return os.open(path, flags | NO_FOLLOW, mode) if trust is None else open_trusted(path, flags, mode, trust)


def verify_trusted(path: Path, trust: Trust = ROOT_TRUST) -> None:
    """Prove that only a trusted user can have put there what is at a path. Raises as `walk_trusted`."""
    with trusted_directory(path.parent, trust) as directory, walk_trusted(Path(path.name), trust, directory):
        return


def proven_directory(path: Path, trust: Trust | None) -> Directory:
    """Open a directory: proven, or for None with the permissions of this process and no further proof.

    Raises UntrustedPathError and OSError.
    """
    return open_directory(path) if trust is None else trusted_directory(path, trust)


def parent_directory(path: Path, trust: Trust | None) -> Directory:
    """Open the directory of a path as `proven_directory` does."""
    return proven_directory(path.parent, trust)


@dataclass(slots=True)
class _Walk:
    """The components that are open, from the top down."""

    trust: Trust
    opened: ExitStack
    top: Path
    names: list[str] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    """One more than `names`: the first is the directory where the walk began."""
    links: int = 0

    @property
    def path(self) -> Path:
        return self.top.joinpath(*self.names)

    def start(self, descriptor: int) -> None:
        self.descriptors.append(descriptor)

    def follow(self, names: list[str]) -> None:
        pending = deque(names)
        while pending:
            name = pending.popleft()
            if name == "..":
                del self.names[-1:]
                del self.descriptors[len(self.names) + 1 :]
                continue
            found = self._probe(name)
            status = os.fstat(found)
            self._check_place(status)
            if doubt := _doubt(status, self.trust):
                raise UntrustedPathError(doubt, self.path / name, status)
            if stat.S_ISLNK(status.st_mode):
                pending.extendleft(reversed(self._enter_link(name, found, status)))
            else:
                self.names.append(name)
                self.descriptors.append(found)

    def _probe(self, name: str) -> int:
        above = self.descriptors[-1]
        try:
            found = os.open(name, PROBE_FLAGS, dir_fd=above)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            status = os.stat(name, dir_fd=above, follow_symlinks=False)
            raise UntrustedPathError(Doubt.LINK, self.path / name, status) from error
        self.opened.callback(os.close, found)
        return found

    def _check_place(self, status: os.stat_result) -> None:
        """Only a directory may lie in a directory that others can write."""
        above = os.fstat(self.descriptors[-1])
        if above.st_mode & WRITERS and not stat.S_ISDIR(status.st_mode):
            raise UntrustedPathError(Doubt.WRITABLE, self.path, above)

    def _enter_link(self, name: str, found: int, status: os.stat_result) -> list[str]:
        owners = self.trust.owners if self.trust.link_owners is None else self.trust.link_owners
        if not self.trust.follow_links or status.st_uid not in owners:
            raise UntrustedPathError(Doubt.LINK, self.path / name, status)
        self.links += 1
        if self.links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink("", dir_fd=found)
        if target.startswith("/"):
            del self.names[:]
            del self.descriptors[1:]
        return _components(target)


def _check(component: Path, status: os.stat_result, trust: Trust) -> None:
    if doubt := _doubt(status, trust):
        raise UntrustedPathError(doubt, component, status)


def _doubt(status: os.stat_result, trust: Trust) -> Doubt | None:
    if status.st_uid not in trust.owners:
        return Doubt.OWNER
    if stat.S_ISLNK(status.st_mode):  # its own mode means nothing
        return None
    may_be_passed = trust.allow_sticky and stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    return Doubt.WRITABLE if status.st_mode & WRITERS and not may_be_passed else None


def _check_file(directory: Directory, name: str, status: os.stat_result, trust: Trust) -> None:
    _check(directory.path / name, status, trust)
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and directory.own_status().st_uid != ROOT:
        raise UntrustedPathError(Doubt.HARD_LINK, directory.path / name, status)


def _components(path: str) -> list[str]:
    return [component for component in path.split("/") if component not in {"", "."}]


def _explain(doubt: Doubt, component: Path, status: os.stat_result) -> tuple[str, str]:
    match doubt:
        case Doubt.OWNER:
            problem = f"{component} is owned by an untrusted user (uid {status.st_uid})"
            return problem, f"see who made it, then: chown root {component}"
        case Doubt.WRITABLE:
            mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
            return f"{component} is writable by users other than its owner ({mode})", f"chmod go-w {component}"
        case Doubt.LINK:
            return f"{component} is a symbolic link", "name the file that it leads to"
        case Doubt.HARD_LINK:
            return f"{component} has another name, which may be that of another user's file", "replace it by a copy"
        case _:
            assert_never(doubt)
