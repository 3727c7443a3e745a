"""`warren identity`: who this node is."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

import click

from warren.cli.output import tell, warn, write
from warren.cli.security import Security, security_options
from warren.trust.identity import NodeIdentity, agent_id_of
from warren.trust.io.identityfile import make_identity, read_identity

if sys.platform != "win32":
    import pwd

ROOT = 0


@click.group()
def identity() -> None:
    """Make and show the keys by which this node answers."""


@identity.command()
@security_options
@click.option("--id", "name", metavar="NAME", help="What it is called; without it, as the host.")
def init(security: Security, name: str | None) -> None:
    """Make this node's keys, once.

    They lie in one file that the agent's user alone can read. What is printed is public: the operator's side needs
    it, to send this node what it alone can open and to know its answers.
    """
    made = make_identity(Path(security.identity), _name(name), _owner(security.user))
    _show(made)
    tell(f"the keys of {made.agent_id} are in {security.identity}")


@identity.command()
@security_options
def show(security: Security) -> None:
    """Print this node's name and public keys, as JSON."""
    _show(read_identity(Path(security.identity)))


def _show(found: NodeIdentity) -> None:
    write(json.dumps(found.document(), indent=2) + "\n")


def _name(name: str | None) -> str:
    if name is not None:
        return name
    try:
        return agent_id_of(platform.node())
    except ValueError:
        raise click.UsageError("this host has no name to take; give one as --id") from None


def _owner(user: str) -> tuple[int, int] | None:
    """Whom the agent runs as, where this process may give files away."""
    if sys.platform != "win32" and os.geteuid() == ROOT:
        try:
            found = pwd.getpwnam(user)
        except KeyError:
            warn(f"there is no user {user} on this host: only root can read the keys")
            return None
        return found.pw_uid, found.pw_gid
    return None
