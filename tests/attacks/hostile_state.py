"""A host's files in which everything that the agent's user may write is hostile, and what of root's must stay as it is.

    DIR/etc/warren/agent.toml    root's configuration
    DIR/var/lib/warren …         links, pipes, sockets, directories, huge files and files with the setuid bit
    DIR/outside/                 root's files, at which the links and second names point

In one host every name has the same kind of entry: what is read, or else what is locked first and would hide the rest.
A kind that an unprivileged user could not make on a kernel with its defaults is planted all the same:
fs.protected_hardlinks may be 0.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.trust.parties import ROOT

SERVICE = 65534  # nobody, whom [daemon] user names
SECRET = "only-root-reads-this-line"  # noqa: S105, to be looked for
HUGE = 1 << 40
OWN_NAME_SERVERS = "nameserver 192.0.2.53\n"
CONFIG = """
[daemon]
user = "nobody"

[http]
enabled = true
bind = ["127.0.0.1"]

[security]
root = ["{root}"]
exec_enable = true
"""

NAMES = {
    ".": ("http.token", "http-admin.token", "agent.lock", ".commands.unfinished"),
    "http": ("token", "admin-token"),
    "identity": ("node.jwks", "sealing.jwks", "trust.jws", "trust.jws.version"),
    "helper": ("agent.lock", "lock", "dns.json", ".dns.unfinished", "resolv.conf.before"),
    "dns": ("agent.lock", "dns.json", ".dns.unfinished", "resolv.conf.before"),
    "runner": ("commands.db", "commands.db-wal", ".commands.db.unfinished", "agent_id"),
    "commands": ("commands.db", "commands.db-wal", ".commands.db.unfinished"),
    "audit": ("audit.jsonl", "audit.checkpoints", "audit-00000000001.jsonl", "audit-00000000001.checkpoints"),
}
"""What root or the agent opens in the state directory, by its directory."""
SERVICE_PARTS = ("commands", "audit", "dns", "http")
RUNTIME_NAMES = (
    "agent.sock",
    "agent.sock.lock",
    "http.sock",
    "http.sock.lock",
    "helper.sock",
    "helper.sock.lock",
    "runner.sock",
    "runner.sock.lock",
)
LOCKS = (".lock", "lock", ".unfinished")
LINKED = "linked directories"
"""The kind in which each part of the state directory is a link to a directory of root's outside."""

# Would make resolv.conf a program with the setuid bit of whoever it names.
JOURNAL = json.dumps(
    {
        "version": 2,
        "entries": [
            {"network": "home", "interface": "wg0", "servers": ["192.0.2.66"], "backend": "file", "record": "wg0"}
        ],
        "original": {
            "kind": "file",
            "content": base64.b64encode(b"nameserver 192.0.2.66\n").decode(),
            "mode": 0o6755,
            "owner": SERVICE,
            "group": SERVICE,
        },
        "written": [base64.b64encode(OWN_NAME_SERVERS.encode()).decode()],
        "host_servers": [],
        "in_place": False,
    }
)


@dataclass(frozen=True)
class Victim:
    """Root's files outside, at which links lead."""

    directory: Path

    @property
    def secret(self) -> Path:
        """Return a file that only root reads."""
        return self.directory / "secret"

    @property
    def place(self) -> Path:
        """Return a directory in which nothing may be made."""
        return self.directory / "place"

    @property
    def twin(self) -> Path:
        """Return a file to which second names are given, which changes its count of them."""
        return self.directory / "twin"


def plant(entry: Path, kind: str, victim: Victim) -> None:
    """Make an entry of one kind, as the agent's user would."""
    PLANTERS[kind](entry, victim)
    os.chown(entry, SERVICE, SERVICE, follow_symlinks=False) if kind != "hard link" else None
    if kind == "setuid":
        entry.chmod(0o4755)


def _socket(entry: Path, _: Victim) -> None:
    here = os.open(entry.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{entry.name}")
    os.close(here)


def _huge(entry: Path, _: Victim) -> None:
    entry.touch()
    os.truncate(entry, HUGE)


PLANTERS: dict[str, Callable[[Path, Victim], object]] = {
    "link": lambda entry, victim: entry.symlink_to(victim.secret),
    "link to nothing": lambda entry, victim: entry.symlink_to(victim.directory / f"new-{entry.name}"),
    "pipe": lambda entry, _: os.mkfifo(entry),
    "directory": lambda entry, _: entry.mkdir(),
    "setuid": lambda entry, _: entry.write_text(JOURNAL),
    "huge": _huge,
    "nested": lambda entry, _: entry.write_text("[" * 100_000),
    "hard link": lambda entry, victim: entry.hardlink_to(victim.twin),
    "socket": _socket,
}
VARIANTS = tuple((kind, locks) for kind in PLANTERS for locks in (False, True))
"""Each kind of entry, for what is read and for what is locked."""
ALWAYS = ((LINKED, False), ("setuid", False))
"""Those that root has obeyed once: a start in their place, and a journal that makes a setuid program."""


class HostileHost:
    """The files of one host, with one kind of entry for what is read, or for what is locked (`locks`)."""

    def __init__(self, root: Path, kind: str, *, locks: bool, whole: bool) -> None:
        self.root, self.state = root, root / "var/lib/warren"
        self._kind, self._locks = kind, locks
        self.victim = Victim(root / "outside")
        for directory in (self.victim.place, root / "etc/warren", root / "run/warren", self.state):
            directory.mkdir(parents=True)
        root.chmod(0o755)
        (root / "etc/warren/agent.toml").write_text(CONFIG.format(root=ROOT.public.kid))
        (root / "etc/resolv.conf").write_text(OWN_NAME_SERVERS)
        for path in (self.victim.secret, self.victim.twin):
            path.write_text(f"{SECRET}\n")
            path.chmod(0o600)
        self._plant_state(whole=whole)
        self._fill(root / "run/warren", RUNTIME_NAMES)
        self.before = self.fingerprint()

    def _plant_state(self, *, whole: bool) -> None:
        """Fill the whole state directory, or those of its parts that are the agent's in an installation."""
        for part, names in NAMES.items():
            if part in SERVICE_PARTS or whole:
                if self._kind == LINKED and part != ".":
                    (self.state / part).symlink_to(self.victim.place)
                    os.chown(self.state / part, SERVICE, SERVICE, follow_symlinks=False)
                else:
                    (self.state / part).mkdir(exist_ok=True, mode=0o700)
                    self._fill(self.state / part, names)

    def _fill(self, directory: Path, names: Sequence[str]) -> None:
        for name in names:
            if self._kind in PLANTERS and name.endswith(LOCKS) == self._locks:
                plant(directory / name, self._kind, self.victim)
        os.chown(directory, SERVICE, SERVICE)

    def fingerprint(self) -> dict[str, tuple[object, ...]]:
        """Return what is root's: the files outside, and those that root's commands write or restore."""
        paths = [*self.victim.directory.rglob("*"), self.victim.directory, self.root / "etc", *self._of("etc")]
        return {str(path): _state(path) for path in paths}

    def _of(self, directory: str) -> Iterator[Path]:
        yield from (self.root / directory).rglob("*")

    def made_by_root_where_others_write(self) -> list[str]:
        """Return the files of root's in directories of the agent's user: second names of the victim apart."""
        return [
            str(path)
            for path in self._of("var")
            if path.lstat().st_uid == 0 and path.parent.lstat().st_uid == SERVICE and not _is(path, self.victim.twin)
        ]

    def with_setuid_of_root(self) -> list[str]:
        """Return the files of root's that have a setuid or setgid bit."""
        bits = stat.S_ISUID | stat.S_ISGID
        return [
            str(path)
            for path in self.root.rglob("*")
            if path.is_file() and not path.is_symlink() and path.lstat().st_uid == 0 and path.lstat().st_mode & bits
        ]


def _state(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    names = sorted(os.listdir(path)) if stat.S_ISDIR(status.st_mode) else ()  # noqa: PTH208
    return status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content, tuple(names)


def _is(path: Path, other: Path) -> bool:
    one, two = path.lstat(), other.lstat()
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)
