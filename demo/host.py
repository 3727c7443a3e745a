"""A host of the demonstration: a network namespace, in which programs run as they would on a machine of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from demo.failure import StageError

PROGRAM_SECONDS = 60  # ten times what the slowest takes here


@dataclass(frozen=True, slots=True)
class Host:
    """Where a host is reached: on the wire, and inside the tunnel."""

    name: str
    wire: str
    """IPv4 address on the wire, an unsafe place."""
    inside: str
    """IPv4 address in the tunnel."""
    inside6: str
    """IPv6 address in the tunnel."""

    @property
    def interface(self) -> str:
        """Its WireGuard interface."""
        return f"wg-{self.name}"

    @property
    def cable(self) -> str:
        """Its end of the wire."""
        return f"eth-{self.name}"

    def command(self, *words: str) -> list[str]:
        """The arguments that start a program on this host."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *words]

    def run(self, *words: str, stdin: str = "", status: int = 0) -> str:
        """What the program prints; StageError with its last word if it ends with another status, or not."""
        return run(*self.command(*words), stdin=stdin, name=f"{self.name}: {' '.join(words)}", status=status)


def run(*words: str, stdin: str = "", name: str = "", status: int = 0) -> str:
    """What a program prints; StageError with its last word if it is absent, ends with another status, or not.

    Of one that is to fail it is all that it says.
    """
    name = name or " ".join(words)
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False)
    except FileNotFoundError as error:
        raise StageError(f"`{name}` could not be started: {error.filename} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise StageError(f"`{name}` had not ended after {PROGRAM_SECONDS} seconds") from error
    if done.returncode != status:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        how = f"failed with status {done.returncode}" if done.returncode else "succeeded, which it must not"
        raise StageError(f"`{name}` {how}: {said}")
    return done.stdout + done.stderr if status else done.stdout
