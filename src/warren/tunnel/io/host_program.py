"""Run programs of the host to their end, with nothing of the environment but a path of trusted directories."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from warren.errors import HostError

DIRECTORIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
"""Not PATH of the environment, as this runs with privileges."""


@dataclass(frozen=True, slots=True)
class ProgramRunner:
    """How programs are run: with this PATH, at most so long, and with this code of errors."""

    path: str
    timeout_seconds: float
    code: str

    def run(self, words: Sequence[str], program: str, text: str = "") -> str:
        """Execute `program` with the arguments of `words`, and return what it prints. `text` is its standard input.

        Raises HostError, which names `words`, if it cannot be started, does not exit in time, or fails.
        """
        command_line = f"`{' '.join(words)}`"
        try:
            done = subprocess.run(
                [program, *words[1:]],
                input=text,
                env={"PATH": self.path, "LC_ALL": "C"},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise HostError(f"{command_line} did not exit within {self.timeout_seconds} s", code=self.code) from error
        except OSError as error:
            raise HostError(f"{command_line}: {error.strerror}", code=self.code, errno=error.errno) from error
        if done.returncode != 0:
            why = done.stderr.strip() or f"exit status {done.returncode}"
            raise HostError(f"{command_line}: {why}", code=self.code)
        return done.stdout
