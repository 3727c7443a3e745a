"""`warren operator`: the operators, who sign commands."""

from __future__ import annotations

import re
from pathlib import Path

import click

from warren.cli.help import Group
from warren.cli.options import PATH, output_option
from warren.cli.output import report, warn, write
from warren.cli.trust_options import Security, security_options
from warren.errors import TrustError
from warren.trust.bundle_toml import operator_table
from warren.trust.bundle_verify import claimed_roots, verify_bundle
from warren.trust.io.bundle_file import read_text
from warren.trust.io.keyset_file import make_keyset

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


@click.group(cls=Group, examples=("warren operator new alice >> trust.toml", "warren operator list"))
def operator() -> None:
    """Create and list operators."""


@operator.command(examples=("warren operator new alice >> trust.toml", "warren operator new bob --role VIEWER"))
@click.argument("name")
@click.option("--role", "roles", metavar="ROLE", multiple=True, default=("ADMIN",), help="Role to grant.")
@output_option("NAME.jwks")
def new(name: str, roles: tuple[str, ...], output: Path | None) -> None:
    """Create an operator's keys and print its policy table.

    The key file has mode 0600 and stays on the operator's own machine. The printed table goes into the policy file that
    `warren trust sign` signs.
    """
    if not all(NAME.fullmatch(text) for text in (name, *roles)):
        raise click.UsageError(
            "invalid name or role: expected 1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit"
        )
    path = output or Path(f"{name}.jwks")
    keys = make_keyset(path, name)
    if keys.sealing is None:
        raise TrustError(f"{path} has no key to decrypt secrets", code="trust.invalid_key")
    write(operator_table(keys, keys.sealing, roles))
    report(f"created {path}: its holder can sign commands as {name}")


@operator.command("list", examples=("warren operator list", "warren operator list trust.jws"))
@click.argument("file", type=PATH, required=False)
@security_options
def list_operators(security: Security, file: Path | None) -> None:
    """List the operators of a trust bundle.

    Without FILE, of the installed bundle.
    """
    text = read_text(file or Path(security.trust))
    signers = claimed_roots(text)
    bundle = verify_bundle(text, signers)
    if len(set(signers) & set(security.roots)) < security.threshold:
        warn(f"the bundle is signed by {', '.join(signers)}, not by enough roots that are pinned on this node")
    for entry in bundle.operators.values():
        kids = [*([entry.signing.kid] if entry.signing else []), *(key.kid for key in entry.webauthn.values())]
        write(f"{entry.id}\t{','.join(entry.roles)}\t{','.join(kids)}\n")
