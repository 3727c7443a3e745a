"""Open directories: every change of a name is made relative to a descriptor, and follows no link.

Power cut: a name that was made, renamed or removed is on the disk after `Directory.sync`, and may be lost before.
Hostile directory: a `Directory` stays the directory that was opened, whatever happens to its path meanwhile. A name is
one component, so that neither `..` nor a link in the middle of it leads elsewhere. Who else can write the directory is
a question for `trusted_path`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

# Windows has none of these flags. O_PATH opens a directory that may be entered and not listed.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
DIRECTORY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)  # no wait for the writer of a pipe
# Opens the thing itself and does nothing else to it (open(2)). Where there is no O_PATH, a link is an error (ELOOP).
PROBE_FLAGS = getattr(os, "O_PATH", READ_FLAGS) | NO_FOLLOW
LISTING_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class Directory:
    """An open directory. `path` is for messages alone: every method works by the descriptor, and raises OSError."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open a file of this directory and return its descriptor. A link is refused (ELOOP)."""
        try:
            return os.open(_component(name), flags | NO_FOLLOW, mode, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise link_error(self.path / name) from error
            raise

    @contextmanager
    def probe(self, name: str) -> Iterator[int]:
        """Open the entry itself, be it a link, a socket or a device, and nothing of what is behind it (O_PATH)."""
        descriptor = os.open(_component(name), PROBE_FLAGS, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def open_directory(self, name: str) -> Directory:
        """Open a directory in this one. A link is refused (ENOTDIR or ELOOP)."""
        descriptor = os.open(_component(name), DIRECTORY_FLAGS | NO_FOLLOW, dir_fd=self.descriptor)
        return Directory(self.path / name, descriptor)

    def status(self, name: str) -> os.stat_result:
        """Return the state of the entry itself, be it a link."""
        return os.stat(_component(name), dir_fd=self.descriptor, follow_symlinks=False)

    def own_status(self) -> os.stat_result:
        """Return the state of the directory."""
        return os.fstat(self.descriptor)

    def names(self) -> tuple[str, ...]:
        """Return the names of all entries, sorted."""
        with self._readable() as descriptor:
            return tuple(sorted(os.listdir(descriptor)))  # noqa: PTH208, a descriptor

    def make_directory(self, name: str, mode: int) -> None:
        """Make a directory in this one; the umask applies."""
        os.mkdir(_component(name), mode, dir_fd=self.descriptor)

    def remove_directory(self, name: str) -> None:
        """Remove an empty directory of this one."""
        os.rmdir(_component(name), dir_fd=self.descriptor)

    def read_link(self, name: str) -> bytes:
        """Return the target of a symbolic link."""
        return os.fsencode(os.readlink(_component(name), dir_fd=self.descriptor))

    def make_link(self, name: str, target: bytes) -> None:
        """Make a symbolic link."""
        os.symlink(target, os.fsencode(_component(name)), dir_fd=self.descriptor)

    def link(self, name: str, other: str) -> None:
        """Give the file `name` the second name `other`. Raises FileExistsError if there is anything of that name."""
        at = self.descriptor
        os.link(_component(name), _component(other), src_dir_fd=at, dst_dir_fd=at, follow_symlinks=False)

    def rename(self, name: str, other: str) -> None:
        """Rename an entry, in the place of what had the name `other`. A mount point is refused (EBUSY)."""
        try:
            os.replace(_component(name), _component(other), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise mount_error(self.path / other) from error
            raise

    def remove(self, name: str) -> bool:
        """Remove a file, link or socket. Return False if there is none."""
        try:
            os.unlink(_component(name), dir_fd=self.descriptor)
        except FileNotFoundError:
            return False
        return True

    def chown(self, name: str, uid: int, gid: int) -> None:
        """Change the owner of the entry itself; -1 keeps what it is."""
        if sys.platform != "win32":
            os.chown(_component(name), uid, gid, dir_fd=self.descriptor, follow_symlinks=False)

    def set_owner(self, uid: int, gid: int) -> None:
        """Change the owner of the directory itself."""
        if sys.platform != "win32":
            with self._readable() as descriptor:
                os.fchown(descriptor, uid, gid)

    def set_mode(self, mode: int) -> None:
        """Change the mode of the directory itself."""
        if sys.platform != "win32":
            with self._readable() as descriptor:
                os.fchmod(descriptor, mode)

    def sync(self) -> None:
        """Write the names of this directory to the disk."""
        with self._readable() as descriptor:
            os.fsync(descriptor)

    @contextmanager
    def _readable(self) -> Iterator[int]:
        """Open the same directory for what O_PATH does not permit (open(2))."""
        descriptor = os.open(".", LISTING_FLAGS, dir_fd=self.descriptor)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def link_error(path: Path) -> OSError:
    """Return the error of a link that is not followed; its text says what to do, where the system's does not."""
    return OSError(errno.ELOOP, "is a symbolic link; name the file that it leads to", str(path))


def mount_error(path: Path) -> OSError:
    """Return the error of a mount point that cannot be renamed over."""
    problem = "is a mount point, which cannot be replaced; mount its directory instead"
    return OSError(errno.EBUSY, problem, str(path))


def open_directory(path: Path, *, follow: bool = True) -> Directory:
    """Open a directory by its path, with the permissions of this process and no further proof. Raises OSError."""
    return Directory(path, os.open(path, DIRECTORY_FLAGS | (0 if follow else NO_FOLLOW)))


def _component(name: str) -> str:
    if "/" in name or name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is not the name of a directory entry")
    return name
