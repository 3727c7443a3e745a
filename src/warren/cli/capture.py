"""`warren capture`: the packets inside a network whose stack is the agent's own (W-40)."""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from warren.cli.help import Command
from warren.cli.options import socket_option
from warren.cli.output import binary_output, is_terminal
from warren.errors import HostError, InputError
from warren.files.trusted_path import NAMED_BY_USER, open_in_place
from warren.localapi.io.client import capture as begin_capture
from warren.localapi.messages import DEFAULT_NETWORK

CHUNK_BYTES = 64 << 10
STANDARD_OUTPUT = Path("-")
FILE_MODE = 0o600  # what it holds is the content of the tunnel


@click.command(cls=Command, examples=("warren capture office.pcapng", "warren capture - | tcpdump -n -r -"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-n", "--network", default=DEFAULT_NETWORK, metavar="NAME", help="Network to use.")
@socket_option
def capture(file: Path, network: str, socket: Path) -> None:
    """Capture the packets inside a network of backend netstack.

    They are written to FILE, or to standard output for `-`. The format is pcapng, as of tcpdump(8) and Wireshark.
    FILE is made anew with mode 0600. The capture ends after 100 MB or 10 minutes, or with Ctrl-C. Only root and
    members of warren-admin may capture. For a network with an interface there is tcpdump itself.
    """
    if file == STANDARD_OUTPUT and is_terminal():
        hint = "name a file, or pipe it: warren capture - | tcpdump -r -"
        raise InputError("a capture is not for a terminal", code="value.invalid", hint=hint)
    with begin_capture(socket, network) as connection, _output(file) as output:
        try:
            _copy(connection, output)
        except KeyboardInterrupt:
            output.flush()


@contextmanager
def _output(file: Path) -> Iterator[BinaryIO]:
    """Open what is written to. Raises HostError for a file that exists."""
    if file == STANDARD_OUTPUT:
        with binary_output() as output:
            yield output
        return
    try:
        descriptor = open_in_place(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE, trust=NAMED_BY_USER)
        with os.fdopen(descriptor, "wb", buffering=0) as output:
            yield output
    except FileExistsError:
        raise HostError(f"{file} exists: a capture replaces no file", code="output.write_failed") from None
    except OSError as error:
        raise HostError(f"{file}: {error.strerror}", code="output.write_failed", errno=error.errno) from error


def _copy(connection: sockets.socket, output: BinaryIO) -> None:
    while received := connection.recv(CHUNK_BYTES):
        output.write(received)
        output.flush()
