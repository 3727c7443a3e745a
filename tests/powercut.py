"""Cut the power of a command at the changes that it makes: its calls are recorded, and the disk is made anew as it may
be after each of them, without what no fsync covered.

A file's octets, mode and owner are on the disk with its own fsync, its name with that of its directory. What is beyond
that may be there or not, so two disks come of each cut: one has no name that was not synced, the other has them all, as
file systems often are early with names and late with octets.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from tests.faults import CHANGING, TIMEOUT_SECONDS, sampled

CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)", re.MULTILINE)


@dataclass
class Inode:
    """What a name leads to."""

    mode: int
    data: bytes = b""
    owner: tuple[int, int] = field(default_factory=lambda: (os.geteuid(), os.getegid()))


@dataclass
class Disk:
    """The tree below `root`: as programs see it, and as it would be after a power cut."""

    root: Path
    seen: dict[PurePath, Inode] = field(default_factory=dict)
    kept: dict[PurePath, Inode] = field(default_factory=dict)
    synced: dict[int, Inode] = field(default_factory=dict)
    """By the identity of what is seen."""

    @classmethod
    def of(cls, root: Path) -> Disk:
        disk = cls(root)
        for path in sorted(root.rglob("*")):
            inode = _read(path)
            disk.seen[path.relative_to(root)] = inode
            disk.synced[id(inode)] = copy(inode)
        disk.kept = dict(disk.seen)
        return disk

    def apply(self, call: str, words: Sequence[str | bytes]) -> bool:
        """One call; False if it changed nothing here."""
        if call in ("open", "openat"):
            where, flags, *mode = words
            return self._open(where, str(flags), mode)
        if not any(self._is_below(word) for word in words):
            return False
        known = self._change_inode(call, words) or self._change_names(call, words)
        assert known, f"what {call} does to a disk is not known here"
        return True

    def _change_inode(self, call: str, words: Sequence[str | bytes]) -> bool:
        where, inode = words[0], self.seen.get(self._path(words[0])) if self._is_below(words[0]) else None
        match call, words:
            case "write", [_, bytes(octets), _] if inode is not None:
                inode.data += octets
            case "pwrite64", [_, bytes(octets), _, offset] if inode is not None:
                start = int(str(offset))
                inode.data = inode.data[:start].ljust(start, b"\0") + octets + inode.data[start + len(octets) :]
            case (("ftruncate" | "truncate"), [_, length]) if inode is not None:
                inode.data = inode.data[: int(str(length))].ljust(int(str(length)), b"\0")
            case (("fsync" | "fdatasync"), [_]):
                self._sync(self._path(where))
            case (("chmod" | "fchmod" | "fchmodat"), [_, mode, *_]) if inode is not None:
                inode.mode = stat.S_IFMT(inode.mode) | int(str(mode), 8)
            case (("chown" | "lchown" | "fchown" | "fchownat"), [_, user, group, *_]) if inode is not None:
                inode.owner = int(str(user)), int(str(group))
            case _:
                return False
        return True

    def _change_names(self, call: str, words: Sequence[str | bytes]) -> bool:
        match call, words:
            case (("rename" | "renameat" | "renameat2"), [before, after, *_]):
                self.seen[self._path(after)] = self.seen.pop(self._path(before))
            case (("link" | "linkat"), [there, another, *_]):
                self.seen[self._path(another)] = self.seen[self._path(there)]
            case (("unlink" | "unlinkat"), [where, *_]):
                del self.seen[self._path(where)]
            case (("symlink" | "symlinkat"), [bytes(target), where]):
                self._make(where, Inode(stat.S_IFLNK | 0o777, target), synced=True)
            case (("mkdir" | "mkdirat"), [where, mode]):
                self._make(where, Inode(stat.S_IFDIR | int(str(mode), 8)), synced=True)
            case _:
                return False
        return True

    def _open(self, where: str | bytes, flags: str, mode: Sequence[str | bytes]) -> bool:
        if not self._is_below(where):
            return False
        if "O_CREAT" in flags and not self._has(where):
            self._make(where, Inode(stat.S_IFREG | int(str(mode[0]), 8)), synced=False)
        elif "O_TRUNC" in flags:
            self.seen[self._path(where)].data = b""
        return bool({"O_CREAT", "O_TRUNC"}.intersection(flags.split("|")))

    def _make(self, where: str | bytes, inode: Inode, *, synced: bool) -> None:
        self.seen[self._path(where)] = inode
        # Held, so that no other is at its address; a file that was never synced has no octets.
        self.synced[id(inode)] = copy(inode) if synced else Inode(inode.mode, b"", inode.owner)

    def _sync(self, path: PurePath) -> None:
        inode = self.seen.get(path)
        if inode is not None:
            self.synced[id(inode)] = copy(inode)
        if inode is None or stat.S_ISDIR(inode.mode):
            self.kept = {each: there for each, there in self.kept.items() if each.parent != path}
            self.kept |= {each: there for each, there in self.seen.items() if each.parent == path}

    def _path(self, where: str | bytes) -> PurePath:
        assert isinstance(where, bytes)
        return PurePath(os.fsdecode(where)).relative_to(self.root)

    def _is_below(self, where: str | bytes) -> bool:
        return isinstance(where, bytes) and PurePath(os.fsdecode(where)).is_relative_to(self.root)

    def _has(self, where: str | bytes) -> bool:
        return self._is_below(where) and self._path(where) in self.seen

    def write_to(self, root: Path, names: dict[PurePath, Inode]) -> None:
        """Makes the disk of these names; hard links become files of their own."""
        root.mkdir()
        for path in sorted(names):
            if (root / path).parent.is_dir():
                _write(root / path, self.synced[id(names[path])])


def _read(path: Path) -> Inode:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        data = os.fsencode(path.readlink())
    else:
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    return Inode(status.st_mode, data, (status.st_uid, status.st_gid))


def _write(path: Path, inode: Inode) -> None:
    if stat.S_ISLNK(inode.mode):
        path.symlink_to(os.fsdecode(inode.data))
    elif stat.S_ISDIR(inode.mode):
        path.mkdir()
    else:
        path.write_bytes(inode.data)
    if inode.owner != (os.geteuid(), os.getegid()):
        os.chown(path, *inode.owner, follow_symlinks=False)
    if not stat.S_ISLNK(inode.mode):
        path.chmod(stat.S_IMODE(inode.mode))


Change = tuple[int, str]
"""The number of a change, counted from 1, and its call."""


def sampled_changes(changes: Sequence[Change]) -> list[Change]:
    """Return the changes to cut after, chosen by their call; the last of all is one of them."""
    return sampled(changes, kind=lambda change: change[1])


def power_cuts(
    directory: Path,
    prepare: Callable[[Path], Sequence[str]],
    choose: Callable[[Sequence[Change]], Sequence[Change]] = sampled_changes,
) -> Iterator[tuple[str, Path]]:
    """Make the disks that a power cut may leave of a command: yield after which change, and the place.

    `prepare` fills a new place below `directory`, all of it on the disk, and returns the command that is to run on it.
    The last two places are those after its end.
    """
    place = directory / "recorded"
    place.mkdir()
    command = prepare(place)
    counted, cut = Disk.of(place), Disk.of(place)
    calls = _record(command)
    chosen = set(choose([change for change, _ in _changes(counted, calls)]))
    for (number, call), disk in _changes(cut, calls):
        if (number, call) in chosen:
            for variant, names in ("synced", disk.kept), ("early", disk.seen):
                made = directory / f"{number}-{call}-{variant}"
                disk.write_to(made, names)
                yield made.name, made


def _changes(disk: Disk, calls: Sequence[tuple[str, Sequence[str | bytes]]]) -> Iterator[tuple[Change, Disk]]:
    """Apply calls to a disk: yield each that changed it, and the disk as it is then."""
    number = 0
    for call, words in calls:
        if disk.apply(call, words):
            number += 1
            yield (number, call), disk


def _record(command: Sequence[str]) -> list[tuple[str, list[str | bytes]]]:
    with tempfile.NamedTemporaryFile("r") as log:
        calls = ",".join(f"?{call}" for call in ("open", "openat", *CHANGING))
        strace = ["strace", "-f", "-qq", "-y", "-xx", "-s", "1000000", "-o", log.name, "-e", f"trace={calls}"]
        words = [*strace, *command]
        done = subprocess.run(words, capture_output=True, timeout=TIMEOUT_SECONDS, check=False, text=True)
        assert done.returncode == 0, done.stderr
        calls_made = CALL.findall("\n".join(_whole(log.read().splitlines())))
        return [(call, _words(call, text)) for call, text, result in calls_made if int(result) >= 0]


def _whole(lines: Sequence[str]) -> Iterator[str]:
    """Calls that another thread's came between are told in two halves: such a one is made when it ends."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, said = line.partition(" ")
        if said.endswith(" <unfinished ...>"):
            begun[thread] = line.removesuffix(" <unfinished ...>")
        elif resumed := re.match(r" *<\.\.\. \w+ resumed>(.*)", said):
            yield begun.pop(thread) + resumed[1]
        else:
            yield line


# A descriptor at these is the directory that the name behind it is relative to.
RELATIVE = re.compile(r"\w+at2?")


def _words(call: str, text: str) -> list[str | bytes]:
    """The arguments of a call, with paths and octets as bytes; a directory and what it is for are one path."""
    words: list[str | bytes] = []
    base = b""
    for word in text.split(", "):
        if quoted := re.fullmatch(r'"((?:\\x[0-9a-f]{2})*)"', word):
            path = _octets(quoted[1])
            words.append(os.path.join(base, path) if base else path)  # noqa: PTH118, of octets
            base = b""
        elif opened := re.fullmatch(r"(AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>", word):
            base = _octets(opened[2]) if opened[1] == "AT_FDCWD" or RELATIVE.fullmatch(call) else b""
            if not base:
                words.append(_octets(opened[2]))
        else:
            words.append(word)
    return words


def _octets(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
