"""Standard output and standard error of the command line: the one place that writes to them.

What is written may hold text of others, so control characters are made visible (`warren.terminal`). Text whose lines
have a meaning also makes each foreign value a line of its own, with `visible_line`.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, TextIO

from warren.cli.program_names import for_program, program_name
from warren.errors import HostError
from warren.terminal import visible


def write(text: str) -> None:
    """Write to standard output and flush. Raises HostError if it fails: a full disk, a closed pipe."""
    write_styled(visible(text))


def write_styled(text: str) -> None:
    """Write text with our own control characters, in which those of others are visible already. Raises HostError."""
    try:
        _send(sys.stdout, text)
    except OSError as error:
        abandon_output()
        raise HostError(f"standard output: {error.strerror}", code="output.write_failed", errno=error.errno) from error


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def output_descriptor() -> int:
    """Return the descriptor of standard output."""
    return sys.stdout.fileno()


@contextmanager
def binary_output() -> Iterator[BinaryIO]:
    """Write bytes to standard output as they are, for a program that reads them. Raises HostError if that fails."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
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
    lines = [f"{program}: {line}" for line in message.removesuffix("\n").split("\n")]
    lines += [f"{'':{len(program) + 2}}{line}" for line in for_program(hint, program).splitlines()]
    write_error("".join(f"{line}\n" for line in lines))


def write_error(text: str) -> None:
    """Write to standard error."""
    _send(sys.stderr, visible(text))


def report_crash(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Write the traceback of a defect to standard error, as `sys.excepthook`: its message may be of others."""
    write_error("".join(traceback.format_exception(kind, error, where)))


def report_thread_crash(crash: threading.ExceptHookArgs) -> None:
    """Do the same for a thread, as `threading.excepthook`."""
    if crash.exc_value is not None:
        report_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def _send(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def warn(text: str) -> None:
    """Write a warning to standard error."""
    report(f"warning: {text}")
