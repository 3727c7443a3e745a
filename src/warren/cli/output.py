"""Standard output and standard error of the command line."""

from __future__ import annotations

import os
import sys

from warren.cli.program_names import for_program, program_name
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
    """Write a message to standard error: each of its lines after the program's name, then the hint.

    Command lines in the hint are those of this program.
    """
    program = program_name()
    lines = [f"{program}: {line}" for line in message.splitlines()]
    lines += [f"{'':{len(program) + 2}}{line}" for line in for_program(hint, program).splitlines()]
    sys.stderr.write("\n".join(lines) + "\n")


def warn(text: str) -> None:
    """Write a warning to standard error."""
    report(f"warning: {text}")
