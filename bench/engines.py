"""Who stands in a table: Warren, the others as requirements/peer builds them, the kernel's own, the bare cable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from failure import BenchError

TREE = Path(__file__).resolve().parent.parent
BUILD_SECONDS = 2000  # requirements/peer gives up first
# The ways to seal that Warren can be told to take, best first, and what the CPU must have for each.
AEADS = {"avx512": "avx512ifma", "avx2": "avx2", "ring": ""}
AEAD = "WARREN_AEAD"


class Kind(Enum):
    """Where an interface lives."""

    PROGRAM = "a process with a TUN"
    KERNEL = "a link of type wireguard"
    FLOOR = "no tunnel, the bare cable"


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that can be measured."""

    name: str
    version: str
    kind: Kind = Kind.PROGRAM
    command: tuple[str, ...] = ()
    """Program and options, before the interface's name."""
    env: dict[str, str] = field(default_factory=dict)
    variant: bool = False
    """Warren told to do without something: measured in one mode only."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Something that cannot be measured here, and why."""

    name: str
    reason: str


def warren() -> Engine:
    """$WARREN_WG, else beside the running Python. BenchError if it is not there."""
    program = Path(os.environ.get("WARREN_WG") or Path(sys.executable).parent / "warren-wg")
    if not program.exists():
        raise BenchError(f"no {program}: run `make bench-NAME`, which builds it, or name one as WARREN_WG")
    said = _said([str(program), "--version"])
    return Engine("Warren", said.split()[-1], command=(str(program), "--foreground"))


def variants(engine: Engine, flags: set[str]) -> Iterator[Engine]:
    """Warren with each slower way to seal that this CPU and this build can take."""
    if AEAD.encode() not in Path(engine.command[0]).read_bytes():
        return
    ways = [way for way, flag in AEADS.items() if not flag or flag in flags]
    for way in ways[1:]:
        yield Engine(f"Warren, {way}", engine.version, command=engine.command, env={AEAD: way}, variant=True)


def wireguard_go() -> Engine | Absent:
    """The newest, built by the go client."""
    return peer("wireguard-go", "--foreground")


def boringtun() -> Engine | Absent:
    """From its crate."""
    return peer("boringtun-cli", "--foreground", "--disable-drop-privileges")


def gotatun() -> Engine | Absent:
    """From its crate."""
    return peer("gotatun-cli", "--foreground", "--disable-drop-privileges", "--verbosity", "error")


def kernel() -> Engine | Absent:
    """Linux's own, where it is."""
    script = "ip link add wg0 type wireguard"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    if done.returncode != 0:
        return Absent("kernel", f"this kernel has no WireGuard ({done.stderr.strip()})")
    return Engine("kernel", os.uname().release, Kind.KERNEL)


def floor() -> Engine:
    """What the cable alone carries."""
    return Engine("veth, no tunnel", "", Kind.FLOOR)


def peer(name: str, *options: str) -> Engine | Absent:
    """What requirements/peer builds; it tells on standard error that this takes a while."""
    command = [str(TREE / "requirements" / "peer"), name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode != 0:
        return Absent(name, f"could not be built: {(done.stderr.strip() or 'it said nothing').splitlines()[-1]}")
    version, program = done.stdout.strip().split(" ", 1)
    return Engine(name, version, command=(program, *options))


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
