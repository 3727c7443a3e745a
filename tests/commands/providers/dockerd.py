"""A container engine of a test's own: Debian's dockerd in a network namespace, all it has in one directory.

Its image is busybox alone, made here; nothing is fetched.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = ("dockerd", "containerd", "runc", "/usr/bin/docker", "busybox", "unshare")
IMAGE = "viworks/chrome:latest"
WITH_VOLUME = "viworks/with-volume:1"
NETWORK = "inside"
DOCKER = "/usr/bin/docker"
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Engine:
    """One that answers."""

    directory: Path

    @property
    def socket(self) -> str:
        """Of its API."""
        return str(self.directory / "sock")

    def docker(self, *arguments: str, stdin: bytes | None = None) -> str:
        """As an operator at the host does it. Raises CalledProcessError."""
        argv = [DOCKER, "--host", f"unix://{self.socket}", *arguments]
        return subprocess.run(argv, input=stdin, check=True, capture_output=True).stdout.decode().strip()

    def inside(self, container_id: str, script: str) -> str:
        """What a shell in it prints, errors too."""
        return self.docker("exec", container_id, "/bin/sh", "-c", f"exec 2>&1; {script}; true")

    def inspect(self, container_id: str) -> dict[str, Any]:
        """All that the engine knows of it."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", container_id))
        return found[0]

    def ids(self) -> set[str]:
        """Of all there are."""
        return set(self.docker("ps", "--all", "--quiet", "--no-trunc").split())

    def clear(self) -> None:
        """Removes whatever a test has left."""
        if ids := self.ids():
            self.docker("rm", "--force", *ids)


@contextmanager
def running_engine(directory: Path) -> Iterator[Engine]:
    """Until the block ends."""
    engine = Engine(directory)
    log = (directory / "log").open("wb")
    # In a network namespace of its own: the bridges that it makes are not this host's.
    argv = ["unshare", "--net", "dockerd", "--storage-driver=vfs", "--iptables=false", "--ip6tables=false"]
    argv += ["--bridge=none", f"--data-root={directory}/data", f"--exec-root={directory}/exec"]
    argv += [f"--pidfile={directory}/pid", f"--host=unix://{engine.socket}"]
    process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _wait(engine, process)
        engine.docker("import", "--change", 'CMD ["/bin/sleep", "600"]', "-", IMAGE, stdin=_tar())
        engine.docker(
            "import",
            "--change",
            'CMD ["/bin/sleep", "600"]',
            "--change",
            "VOLUME /data",
            "-",
            WITH_VOLUME,
            stdin=_tar(),
        )
        engine.docker("network", "create", NETWORK)
        yield engine
    finally:
        if process.poll() is None and Path(engine.socket).exists():
            engine.clear()
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)
        log.close()


def _wait(engine: Engine, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            engine.docker("info")
        except subprocess.CalledProcessError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError((engine.directory / "log").read_text())


def _tar() -> bytes:
    octets, busybox = io.BytesIO(), shutil.which("busybox")
    assert busybox
    with tarfile.open(fileobj=octets, mode="w") as tar:
        directory = tarfile.TarInfo("bin")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(directory)
        tar.add(busybox, "bin/busybox")
        for name in ("sh", "sleep", "cat", "ip", "grep", "mount", "id"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return octets.getvalue()
