"""Debian's kernel for the virtual machine: its package, unpacked below build/ and installed nowhere."""

from __future__ import annotations

import lzma
import os
import re
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.netns.engine import TREE

PACKAGE = "linux-image-amd64"
# What the guest boots with, and what the tests make in it. Their dependencies come along.
MODULES = (
    *("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"),
    *("tun", "veth", "wireguard", "sch_netem", "bridge"),
    *("crc32c_generic", "nft_chain_nat", "nft_masq"),  # the first is asked for by name alone, so no file depends on it
    *("nft_ct", "nft_fib_ipv4", "nft_fib_ipv6"),
)
FETCH_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Kernel:
    """An image to boot, and modules in an order in which they load."""

    image: Path
    modules: tuple[Path, ...]


def kernel() -> Kernel:
    """The kernel that Debian's package stands for, from build/ or fetched there by apt; skips where that fails."""
    home = TREE / "build" / "qemu" / f"kernel-{zlib.crc32(' '.join(MODULES).encode()):08x}"
    if not home.exists():
        _fetch(home)
    return Kernel(home / "vmlinuz", tuple(sorted(home.glob("*.ko"))))


def _fetch(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as fresh:
        unpacked, kept = Path(fresh) / "unpacked", Path(fresh) / "kept"
        kept.mkdir()
        _run("dpkg-deb", "--extract", str(_download(Path(fresh))), str(unpacked))
        (image,) = unpacked.glob("boot/vmlinuz-*")
        image.rename(kept / "vmlinuz")
        for number, (name, content) in enumerate(load_order(unpacked).items()):
            (kept / f"{number:02}-{name}.ko").write_bytes(content)
        if not home.exists():
            kept.rename(home)


def _download(folder: Path) -> Path:
    """The package's file. Apt's lists are fetched once where they do not know it and this process may."""
    for last_try in (False, True):
        named = re.search(r"Depends: (linux-image-\S+)", _run("apt-cache", "depends", PACKAGE, check=last_try))
        if named:
            _run("apt-get", "download", named[1], cwd=folder, check=last_try)
        for found in folder.glob("*.deb"):
            return found
        if os.geteuid() == 0 and not last_try:
            _run("apt-get", "update", check=False)
    pytest.skip(f"Debian's package {PACKAGE}, which apt does not know")


def _run(*command: str, cwd: Path | None = None, check: bool = True) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    if check and done.returncode != 0:
        pytest.skip(f"Debian's package {PACKAGE}, since {command[0]} said: {done.stderr.strip()}")
    return done.stdout


def load_order(root: Path) -> dict[str, bytes]:
    """The files of `MODULES` below a directory by name, each after those it depends on; none for what is built in."""
    files = {_name(path.name.partition(".")[0]): path for path in root.rglob("*.ko*")}
    built_in = {_name(Path(line).stem) for path in root.rglob("modules.builtin") for line in path.read_text().split()}
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order or name in built_in:
            return
        content = _content(files[name])
        depends = re.search(rb"\0depends=([^\0]*)\0", content)
        for other in filter(None, depends[1].decode().split(",") if depends else []):
            add(_name(other))
        order[name] = content

    for module in MODULES:
        add(module)
    return order


def _content(path: Path) -> bytes:
    """Debian compresses modules since its version 13."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _name(written: str) -> str:
    """A module's name: files and .modinfo write some with hyphens."""
    return written.replace("-", "_")
