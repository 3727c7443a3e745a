"""`warren genkey`, `pubkey` and `genpsk`, with the output of wg(8)."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import click

from warren._core import PresharedKey, PrivateKey
from warren.cli.help import Command
from warren.cli.options import output_option
from warren.cli.output import output_descriptor, warn, write
from warren.files.key_file import write_private_key
from warren.files.trusted_path import NAMED_BY_USER

MAX_INPUT_BYTES = 1024  # a key has 44; the rest allows for surrounding whitespace


@click.command(cls=Command, examples=("warren genkey --output private.key", "warren genkey | warren pubkey"))
@output_option("standard output")
def genkey(output: Path | None) -> None:
    """Create a private key.

    With --output, the file has mode 0600.
    """
    key = PrivateKey.generate()
    if output is not None:
        write_private_key(output, key, trust=NAMED_BY_USER)
        return
    warn_if_world_readable()
    write(f"{key.to_base64()}\n")


@click.command(cls=Command, examples=("warren pubkey < private.key",))
def pubkey() -> None:
    """Print the public key of a private key on standard input."""
    text = sys.stdin.buffer.read(MAX_INPUT_BYTES)
    write(f"{PrivateKey.from_base64(text.strip()).public_key()}\n")


@click.command(cls=Command, examples=("warren genpsk > preshared.key",))
def genpsk() -> None:
    """Create a preshared key for a pair of peers."""
    warn_if_world_readable()
    write(f"{PresharedKey.generate().to_base64()}\n")


def warn_if_world_readable() -> None:
    """Warn if standard output is a file that every user can open, as wg(8) does."""
    status = os.fstat(output_descriptor())
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IRWXO:
        warn("standard output is a world-accessible file; run `umask 077` first")
