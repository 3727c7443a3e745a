"""Standard output and standard error of the command line."""

from __future__ import annotations

import os
import sys

from warren.cli.program_names import program_name
from warren.errors import HostError


def write(text: str) -> None:
    """Write to standard output and flush. Raises HostError if it fails: a full disk, a closed pipe."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        abandon_output()
        raise HostError(f"standard output: {error.strerror}", code="output.write_failed", errno=error.errno) from error


def abandon_output() -> None:
    """Discard unwritten output, so that the interpreter does not report the same failure again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report(message: str, hint: str = "") -> None:
    """Write a message to standard error: each of its lines after the program's name, then the hint."""
    name = f"{program_name()}: "
    lines = [f"{name}{line}" for line in message.splitlines()]
    lines += [f"{' ' * len(name)}{line}" for line in hint.splitlines()]
    sys.stderr.write("\n".join(lines) + "\n")


def warn(text: str) -> None:
    """Write a warning to standard error."""
    report(f"warning: {text}")
