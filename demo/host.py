"""A host of the demo: a network namespace, in which programs run as on a separate machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from demo.failure import StageError

PROGRAM_TIMEOUT_SECONDS = 60  # ten times the run time of the slowest program


@dataclass(frozen=True, slots=True)
class Host:
    """The addresses of a host, on the wire and in the tunnel."""

    name: str
    wire: str
    """IPv4 address on the untrusted wire."""
    inside: str
    """IPv4 address in the tunnel."""
    inside6: str
    """IPv6 address in the tunnel."""

    @property
    def interface(self) -> str:
        """Return the name of its WireGuard interface."""
        return f"wg-{self.name}"

    @property
    def cable(self) -> str:
        """Return the name of its Ethernet interface."""
        return f"eth-{self.name}"

    def command(self, *words: str) -> list[str]:
        """Return the arguments that start a program on this host."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *words]

    def run(self, *words: str, stdin: str = "", status: int = 0) -> str:
        """Run a program on this host, as `run` does."""
        return run(*self.command(*words), stdin=stdin, name=f"{self.name}: {' '.join(words)}", status=status)


def run(*words: str, stdin: str = "", name: str = "", status: int = 0) -> str:
    """Run a program and return its output; with a `status` other than 0, standard error follows.

    Raises:
        StageError: the program is missing, does not exit in time, or exits with another status.
    """
    name = name or " ".join(words)
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise StageError(f"`{name}` could not be started: {error.filename} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise StageError(f"`{name}` did not exit within {PROGRAM_TIMEOUT_SECONDS} seconds") from error
    if done.returncode != status:
        output = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        outcome = f"failed with status {done.returncode}" if done.returncode else "succeeded unexpectedly"
        raise StageError(f"`{name}` {outcome}: {output}")
    return done.stdout + done.stderr if status else done.stdout
