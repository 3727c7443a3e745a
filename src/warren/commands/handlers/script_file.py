"""A script's file, looked at component by component: nobody but its owner can have put another in its place (V-57).

Every directory on the way, every link and the file itself are opened without following links, and belong to a trusted
user; directories and the file can be written by nobody else. So what was looked at is what runs by its path. Where a
hash is pinned, the text is read once, hashed, and runs from a sealed copy that nobody can change, its owner included.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from warren.commands.result import Code, CommandError, Status
from warren.commands.scripts import MAX_BYTES, ScriptError, is_rooted, path_of, pins_of, verify_pins
from warren.commands.settings import ScriptSettings

if sys.platform == "linux":
    import fcntl

WRITERS = stat.S_IWGRP | stat.S_IWOTH
MAX_LINKS = 40  # as many as the kernel follows (path_resolution(7))
MFD_EXEC = 0x10  # since Linux 6.3 (memfd_create(2)); before, every copy can be executed


@dataclass(slots=True)
class Script:
    """One that may run: by `path`, which no link is part of, or from `image`."""

    path: str
    image: int | None = None
    """A descriptor, the caller's to close."""


@dataclass(slots=True)
class _Walk:
    """What has been opened of a path so far, from the top."""

    opened: ExitStack
    names: list[str] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def path(self) -> str:
        return "/" + "/".join(self.names)


def open_script(name: str, settings: ScriptSettings, owners: frozenset[int], pinned: Mapping[str, str]) -> Script:
    """The script that `name` stands for.

    Raises CommandError SCRIPT_NOT_FOUND where there is none, ScriptError where it may not be trusted.
    """
    path = path_of(name, settings)
    if path is None:
        raise CommandError(Code.SCRIPT_NOT_FOUND, f"[scripts] has no entry {name} and no scripts_root", Status.ERROR)
    pins = pins_of(name, settings, pinned)
    try:
        with ExitStack() as opened:
            walk = _follow(name, path, owners, opened)
            _verify_place(name, path, walk.path, settings, owners)
            if not stat.S_ISREG(os.fstat(walk.descriptors[-1]).st_mode):
                raise ScriptError(name, path, f"{path} is no regular file")
            return Script(walk.path, _sealed(name, path, walk.descriptors[-1], pins) if pins else None)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CommandError(Code.SCRIPT_NOT_FOUND, f"there is no {path}, the script {name}", Status.ERROR) from error
    except OSError as error:
        raise ScriptError(name, path, f"{path} cannot be looked at: {error.strerror}") from error


def _verify_place(name: str, path: str, found: str, settings: ScriptSettings, owners: frozenset[int]) -> None:
    if settings.scripts_root is None or not is_rooted(name, settings):
        return
    with ExitStack() as opened:
        root = _follow(name, settings.scripts_root, owners, opened).path
    if not found.startswith(f"{root.rstrip('/')}/"):
        raise ScriptError(name, path, f"{path} leads to {found}, outside scripts_root")


def _follow(name: str, path: str, owners: frozenset[int], opened: ExitStack) -> _Walk:
    """Opens each component in turn. Raises ScriptError for one that others could have changed, OSError."""
    walk = _Walk(opened)
    pending = deque(_enter_root(walk, name, path, owners))
    links = 0
    while pending:
        component = pending.popleft()
        if component == "..":
            del walk.names[-1:]
            del walk.descriptors[len(walk.names) + 1 :]
            continue
        found = _open_at(walk, component)
        _verify_component(name, path, f"{walk.path.rstrip('/')}/{component}", os.fstat(found), owners)
        if not stat.S_ISLNK(os.fstat(found).st_mode):
            walk.names.append(component)
            walk.descriptors.append(found)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink("", dir_fd=found)
        below = _components(target)
        if target.startswith("/"):
            del walk.names[:]
            del walk.descriptors[1:]
        pending.extendleft(reversed(below))
    return walk


def _enter_root(walk: _Walk, name: str, path: str, owners: frozenset[int]) -> list[str]:
    root = os.open("/", _flags())
    walk.opened.callback(os.close, root)
    _verify_component(name, path, "/", os.fstat(root), owners)
    walk.descriptors.append(root)
    return _components(path)


def _components(path: str) -> list[str]:
    return [component for component in path.split("/") if component not in {"", "."}]


def _open_at(walk: _Walk, component: str) -> int:
    found = os.open(component, _flags(), dir_fd=walk.descriptors[-1])
    walk.opened.callback(os.close, found)
    return found


def _flags() -> int:
    """Opens the thing itself, and does nothing else to it (open(2), O_PATH)."""
    if sys.platform == "linux":
        return os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    raise _absent()


def _verify_component(name: str, path: str, part: str, status: os.stat_result, owners: frozenset[int]) -> None:
    if status.st_uid not in owners:
        problem = f"{part} belongs to the user {status.st_uid}, and not to root"
        raise ScriptError(name, path, problem)
    # A link's own mode means nothing.
    if not stat.S_ISLNK(status.st_mode) and status.st_mode & WRITERS:
        raise ScriptError(name, path, f"others than its owner can write {part}: chmod go-w {part}")


def _sealed(name: str, path: str, found: int, pins: frozenset[str]) -> int:
    """A copy of the text that has the pinned hash, open for reading. Raises ScriptError, OSError."""
    with Path(f"/proc/self/fd/{found}").open("rb") as source:
        text = source.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ScriptError(name, path, f"{path} has more than {MAX_BYTES} octets")
    verify_pins(name, path, hashlib.sha256(text).hexdigest(), pins)
    return sealed_copy(text, f"script-{name}")


def sealed_copy(octets: bytes, name: str, mode: int = 0o555) -> int:
    """A file of memory alone that nobody can change any more, open for reading from its beginning. Raises OSError."""
    if sys.platform == "linux":
        copy = _memory(name)
        try:
            view = memoryview(octets)
            while view:
                view = view[os.write(copy, view) :]
            os.fchmod(copy, mode)
            seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)
            return os.open(f"/proc/self/fd/{copy}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(copy)
    raise _absent()


def _memory(name: str) -> int:
    if sys.platform == "linux":
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        with suppress(OSError):
            return os.memfd_create(name, flags | MFD_EXEC)
        return os.memfd_create(name, flags)
    raise _absent()


def _absent() -> OSError:
    return OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
