"""`warren genkey`, `pubkey` and `genpsk`: byte for byte what wg(8) prints."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import click

from warren._core import PresharedKey, PrivateKey
from warren.cli.output import warn, write
from warren.keys import write_private_key

LONGEST_INPUT_BYTES = 1024  # a key has 44; more than blanks round it is a mistake


@click.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Make this file, with mode 0600; one that is there is kept."
)
def genkey(output: Path | None) -> None:
    """Make a private key.

    It goes to standard output, or with --output into a file that only its owner can open.
    """
    key = PrivateKey.generate()
    if output is not None:
        write_private_key(output, key)
        return
    warn_of_readers()
    write(f"{key.to_base64()}\n")


@click.command()
def pubkey() -> None:
    """Read a private key, print its public key.

    From standard input to standard output: warren pubkey < private.key
    """
    text = sys.stdin.buffer.read(LONGEST_INPUT_BYTES)
    write(f"{PrivateKey.from_base64(text.strip()).public_key()}\n")


@click.command()
def genpsk() -> None:
    """Make a preshared key, for both ends of one pair of peers."""
    warn_of_readers()
    write(f"{PresharedKey.generate().to_base64()}\n")


def warn_of_readers() -> None:
    """Warns when a secret is about to go into a file that everybody can open, as wg(8) does."""
    status = os.fstat(sys.stdout.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IRWXO:
        warn("this file is world accessible; `umask 077` first makes one that is not")
