"""A virtual machine that shares this machine's files and has another kernel: Debian's, with WireGuard.

pytest ── pipe ── qemu ── virtio port ── serve     names of jobs go in, their exit statuses come out
exchange/ ────────────── 9p ─────────── /run/exchange/JOB/{command,stdout,stderr}
/ ────────────────────── 9p, read-only ─ / under an overlay, so that writes stay in the guest

The processor is emulated (TCG) and slow; nothing here wants a privilege.
"""

from __future__ import annotations

import shlex
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .debian import Kernel

READY_SECONDS = 300.0  # it takes ten on an idle machine
END_SECONDS = 30.0
# Addresses are not randomised: the emulator keeps its translation of a page for one virtual address, and would
# translate each program anew at each start (`ip link`: 60 ms of user time instead of 3). The timer is not checked: the
# kernel counts its interrupts for some milliseconds and panics where the machine was too busy to deliver them.
KERNEL_LINE = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr norandmaps no_timer_check nowatchdog"
# One processor: two emulated ones spend half of their time waiting for each other. Two guests do twice as much.
MACHINE = "-accel tcg -cpu max -smp 1 -m 1024 -nodefaults -no-user-config -display none -no-reboot"
# A parallel run ends with the guests, which compute for minutes where other tests wait: they get more of the machine.
# Without the privilege nice(1) prints a warning and starts the guest all the same.
NICENESS = "-5"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command of the guest ended."""

    status: int
    stdout: str
    stderr: str


class Guest:
    """Starts to boot when made; use as a context manager. `folder` is empty and its own."""

    def __init__(self, kernel: Kernel, initramfs: Path, folder: Path) -> None:
        self.exchange, self._console = folder / "exchange", folder / "console"
        self.exchange.mkdir()
        self._answers: dict[str, Future[str]] = {"ready": Future()}
        self._process = subprocess.Popen(
            self._command(kernel, initramfs), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"guest {self.pid}")
        self._reader.start()

    def _command(self, kernel: Kernel, initramfs: Path) -> list[str]:
        share = "local,security_model=none,multidevs=remap"
        # The kernel ends the guest when this thread ends, also when pytest is killed.
        return [
            *("setpriv", "--pdeathsig", "KILL", "--", "nice", "-n", NICENESS),
            *("qemu-system-x86_64", *MACHINE.split()),
            *("-kernel", str(kernel.image), "-initrd", str(initramfs), "-append", KERNEL_LINE),
            *("-serial", f"file:{self._console}"),
            *("-device", "virtio-serial-pci", "-chardev", "stdio,id=port,signal=off"),
            *("-device", "virtserialport,chardev=port"),
            *("-virtfs", f"{share},path=/,mount_tag=host,readonly=on"),
            *("-virtfs", f"{share},path={self.exchange},mount_tag=exchange"),
        ]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, answer = line.split()
            self._answers[word].set_result(answer)
        for waiting in list(self._answers.values()):
            if not waiting.done():
                waiting.set_exception(RuntimeError(f"the guest ended; its console:\n{self.console()}"))

    def console(self) -> str:
        """The kernel's last words."""
        return self._console.read_text(errors="replace")[-4000:] if self._console.exists() else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._reader.join(END_SECONDS)
        with self._process:
            """Closes both pipes and waits."""

    def release(self) -> str:
        """The guest's kernel, as uname(1) says, once it has booted."""
        return self._answers["ready"].result(READY_SECONDS)

    def start(self, *command: str, env: dict[str, str] | None = None) -> Job:
        """Runs a command beside those that run; the environment is only what is given."""
        self.release()
        name = f"job{len(self._answers)}"
        self._answers[name] = Future()
        (self.exchange / name).mkdir()
        words = ["exec", "env", "-i", *(f"{key}={value}" for key, value in (env or {}).items()), *command]
        (self.exchange / name / "command").write_text(shlex.join(words) + "\n")
        assert self._process.stdin is not None
        print(name, file=self._process.stdin, flush=True)
        return Job(self.exchange / name, self._answers[name])

    def run(self, *command: str, env: dict[str, str] | None = None) -> Done:
        """Runs a command to its end."""
        return self.start(*command, env=env).wait()


@dataclass(frozen=True, slots=True)
class Job:
    """A command of the guest that was started; its files are in `folder`."""

    folder: Path
    _status: Future[str]

    def wait(self) -> Done:
        """Until it ends; RuntimeError if the guest ends before."""
        status = int(self._status.result())
        out, err = ((self.folder / name).read_text(errors="replace") for name in ("stdout", "stderr"))
        return Done(status, out, err)
