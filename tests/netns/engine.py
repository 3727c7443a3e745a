"""The programs under test: ours, Debian's wireguard-go, and the newest wireguard-go, which is built once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
BUILD_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Engine:
    """A program with wireguard-go's command line, environment and UAPI socket."""

    name: str
    program: Path


@cache
def warren() -> Engine:
    """$WARREN_WG, else beside the running Python, else as cargo left it."""
    places = [Path(sys.executable).parent / "warren-wg", TREE / "rust/target/release/warren-wg"]
    if named := os.environ.get("WARREN_WG"):
        places = [Path(named)]
    for place in places:
        if place.exists():
            return Engine("warren", place)
    pytest.skip(f"warren-wg at {' or '.join(map(str, places))}")


@cache
def launcher() -> Path:
    """The installed program `warren`, which the build puts beside the running Python."""
    place = Path(sys.executable).parent / "warren"
    if not place.exists() or place.read_bytes()[:4] != b"\x7fELF":
        pytest.skip(f"the compiled program {place.name} beside Python: make it anew")
    return place


@cache
def debian() -> Engine:
    """The package wireguard-go."""
    if found := shutil.which("wireguard-go"):
        return Engine("debian", Path(found))
    pytest.skip("the program wireguard-go")


@cache
def newest() -> Engine:
    """The version that requirements/peer names, from build/ or built there by the go client."""
    done = subprocess.run(
        [TREE / "requirements" / "peer", "wireguard-go"],
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"the newest wireguard-go: {done.stderr.strip().splitlines()[-1]}")
    return Engine("newest", Path(done.stdout.rstrip("\n").split(" ", 1)[1]))


@cache
def kernel() -> Engine:
    """Linux's own WireGuard, no program: `kernel.py` knows how it is made."""
    module = Path("/sys/module/wireguard")
    if not module.exists():
        pytest.skip("WireGuard in this kernel")
    return Engine("kernel", module)


# The kernel of a test machine rarely has WireGuard; the virtual machine of tests/qemu has, and asks for it.
PEERS = {"kernel": kernel} if os.environ.get("WARREN_PEERS") == "kernel" else {"debian": debian, "newest": newest}
