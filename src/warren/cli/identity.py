"""`warren identity`: who this node is."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import click

from warren.agent.io.init_stores import init_stores
from warren.cli.output import tell, warn, write
from warren.cli.trust_options import Security, security_options
from warren.clock import wall_seconds
from warren.errors import HostError
from warren.privsep.io.privileges import Service, find_service, is_root
from warren.trust.identity import NodeIdentity, agent_id_of
from warren.trust.io.identity_file import make_identity, read_identity


@click.group()
def identity() -> None:
    """Make and show the keys by which this node answers."""


@identity.command()
@security_options
@click.option("--id", "name", metavar="NAME", help="What it is called; without it, as the host.")
def init(security: Security, name: str | None) -> None:
    """Make this node's keys, once.

    They lie in one file that the agent's user alone can read. What is printed is public: the operator's side needs
    it, to send this node what it alone can open and to know its answers. The record of used commands begins too: what
    was sent before, or within a minute from now, will not run here.
    """
    service = _service(security)
    owner = (service.uid, service.gid) if service and is_root() else None
    made = make_identity(Path(security.identity), _name(name), owner)
    if service is not None:
        _begin_records(security, service)
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


def _service(security: Security) -> Service | None:
    """Whom the agent runs as, if this host has that user."""
    try:
        return find_service(security.user, security.group)
    except HostError as error:
        warn(f"{error}: the keys are root's, until root starts the agent as its own user")
        return None


def _begin_records(security: Security, service: Service) -> None:
    """Those that are not there yet; where this cannot be, the agent begins them when it first starts."""
    try:
        init_stores(Path(security.commands), Path(security.runner), service, wall_seconds())
    except HostError as error:
        warn(f"the record of used commands is not begun yet: {error}")
