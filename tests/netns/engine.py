"""The programs under test: ours, Debian's wireguard-go, and the newest wireguard-go, which is built once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
NEWEST_MODULE = "golang.zx2c4.com/wireguard"
NEWEST_VERSION = "v0.0.0-20260522210424-ecfc5a8d5446"
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
def debian() -> Engine:
    """The package wireguard-go."""
    if found := shutil.which("wireguard-go"):
        return Engine("debian", Path(found))
    pytest.skip("the program wireguard-go")


@cache
def newest() -> Engine:
    """`NEWEST_VERSION`, from build/ or built there by the go client."""
    home = TREE / "build" / "peers" / f"wireguard-go-{NEWEST_VERSION}"
    if not (home / "wireguard").exists():
        _go_install(home)
    return Engine("newest", home / "wireguard")


def _go_install(home: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("the program go, which builds the newest wireguard-go")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as fresh:
        done = subprocess.run(
            ["go", "install", f"{NEWEST_MODULE}@{NEWEST_VERSION}"],
            env=os.environ | {"GOBIN": fresh, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"{NEWEST_MODULE}, which go could not build: {done.stderr.strip().splitlines()[-1]}")
        home.mkdir(exist_ok=True)
        (Path(fresh) / "wireguard").replace(home / "wireguard")


@cache
def kernel() -> Engine:
    """Linux's own WireGuard, no program: `kernel.py` knows how it is made."""
    module = Path("/sys/module/wireguard")
    if not module.exists():
        pytest.skip("WireGuard in this kernel")
    return Engine("kernel", module)


# The kernel of a test machine rarely has WireGuard; the virtual machine of tests/qemu has, and asks for it.
PEERS = {"kernel": kernel} if os.environ.get("WARREN_PEERS") == "kernel" else {"debian": debian, "newest": newest}
