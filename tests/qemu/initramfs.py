"""What the virtual machine boots into: busybox, the modules, `init` and `serve`, as one cpio archive."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .debian import Kernel

HERE = Path(__file__).parent
# Programs that the tests start hundreds of times: `init` says what comes of it.
HOT = ("sh", "cat", "env", "ip", "mount", "nft", "nsenter", "ping", "python3", "sleep", "ss", "tc", "unshare", "wg")


def initramfs(kernel: Kernel, folder: Path) -> Path:
    """Makes the archive in an empty folder."""
    root, archive = folder / "initramfs", folder / "initramfs.cpio"
    for place in ("bin", "dev", "host", "memory", "modules", "proc", "sys", "union"):
        (root / place).mkdir(parents=True)
    for name in ("init", "serve"):
        shutil.copy(HERE / name, root / name)
    for module in kernel.modules:
        shutil.copy(module, root / "modules")
    for path in needed("busybox"):
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path[1:])
    shutil.copy(program("busybox"), root / "bin" / "busybox")
    (root / "bin" / "sh").symlink_to("busybox")
    (root / "hot").write_text("".join(f"/union{path}\n" for path in sorted(set(_hot()))))
    names = "\n".join(str(path.relative_to(root)) for path in [root, *sorted(root.rglob("*"))])
    with archive.open("wb") as out:
        pack = ["busybox", "cpio", "--create", "--format=newc"]
        subprocess.run(pack, cwd=root, input=names.encode(), stdout=out, stderr=subprocess.DEVNULL, check=True)
    shutil.rmtree(root)
    return archive


def _hot() -> Iterable[str]:
    yield "/etc/ld.so.cache"
    for name in filter(program, HOT):
        yield program(name)
        yield from needed(name)


def program(name: str) -> str:
    """Where it is on the path, empty if nowhere. Not in a virtual environment, whose python3 is a link."""
    return shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") or ""


def needed(name: str) -> list[str]:
    """The shared libraries of a program, its loader with them; none for a static one."""
    told = subprocess.run(["ldd", program(name)], capture_output=True, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", told.stdout)
