"""What people and pipes see."""

from __future__ import annotations

import os
import sys

from warren.cli.program_names import program_name
from warren.errors import HostError


def write(text: str) -> None:
    """To standard output, at once. Raises HostError if it does not take it: a full disk, a reader that has gone."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        abandon_output()
        raise HostError(f"standard output: {error.strerror}", code="output.write_failed", errno=error.errno) from error


def abandon_output() -> None:
    """Lets go of what standard output did not take: at the interpreter's end it would fail, and be told, again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(problem: str, hint: str = "") -> None:
    """To standard error: each line of the problem with our name, then what to do."""
    name = f"{program_name()}: "
    lines = [f"{name}{line}" for line in problem.splitlines()]
    lines += [f"{' ' * len(name)}{line}" for line in hint.splitlines()]
    sys.stderr.write("\n".join(lines) + "\n")


def warn(text: str) -> None:
    """To standard error, and on."""
    tell(f"warning: {text}")
