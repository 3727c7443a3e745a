"""`warren operator`: the people whose word counts."""

from __future__ import annotations

import re
from pathlib import Path

import click

from warren.cli.output import tell, warn, write
from warren.cli.trust_options import Security, security_options
from warren.errors import TrustError
from warren.trust.bundle_toml import operator_table
from warren.trust.bundle_verify import first_root, verify_bundle
from warren.trust.io.bundle_file import read_text
from warren.trust.io.keyset_file import make_keyset

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
PATH = click.Path(path_type=Path)


@click.group()
def operator() -> None:
    """Make and list those who sign commands."""


@operator.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, default=("ADMIN",), show_default=True, help="What may be asked for.")
@click.option("-o", "--output", metavar="FILE", type=PATH, help="Without it, NAME.jwks.")
def new(name: str, roles: tuple[str, ...], output: Path | None) -> None:
    """Make the keys of an operator, in a file that its owner alone can open.

    Prints the table that goes into the file that `warren trust sign` signs. Each operator does this where they work:
    the file never leaves that machine.
    """
    if not all(NAME.fullmatch(each) for each in (name, *roles)):
        raise click.UsageError("expected 1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit")
    path = output or Path(f"{name}.jwks")
    keys = make_keyset(path, name)
    if keys.sealing is None:
        raise TrustError(f"{path} has no key to open secrets with", code="trust.invalid_key")
    write(operator_table(keys, keys.sealing, roles))
    tell(f"{path} is {name}: whoever has it commands as {name}")


@operator.command("list")
@click.argument("file", type=PATH, required=False)
@security_options
def list_operators(security: Security, file: Path | None) -> None:
    """List the operators of a bundle; without FILE, of the one that is installed here."""
    text = read_text(file or Path(security.trust))
    by = first_root(text)
    bundle = verify_bundle(text, (by,))
    if by not in security.roots:
        warn(f"the bundle is signed by {by}, which is not pinned here")
    for each in bundle.operators.values():
        write(f"{each.id}\t{','.join(each.roles)}\t{each.signing.kid}\n")
