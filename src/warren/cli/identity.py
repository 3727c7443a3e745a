"""`warren identity`: the node's name and keys."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import click

from warren.agent.io.config_file import key_owners
from warren.agent.io.init_stores import init_stores
from warren.cli.help import Group, Option
from warren.cli.output import report, warn, write
from warren.cli.trust_options import Security, security_options
from warren.clock import wall_seconds
from warren.errors import HostError
from warren.privsep.io.service_user import ServiceUser, find_service_user, is_root
from warren.trust.identity import NodeIdentity, agent_id_from_host
from warren.trust.io.identity_file import FILE, make_identity, read_identity


@click.group(cls=Group, examples=("warren identity init --id gateway-1", "warren identity show"))
def identity() -> None:
    """Create and show the node's keys."""


@identity.command(examples=("warren identity init", "warren identity init --id gateway-1"))
@security_options
@click.option("--id", "name", cls=Option, metavar="NAME", help="Node name.", default_text="host name")
def init(security: Security, name: str | None) -> None:
    """Create the node's keys.

    The keys are in a file that only the agent's user can read. Run by root, the command keeps the key that opens
    secrets in a file of root's, for the privileged runner alone. The printed JSON is public: operators need it to seal
    secrets for this node and to verify its results.

    The replay store is initialized as well: commands issued before, or within the next minute, are rejected.
    """
    service = _service(security)
    owner = (service.uid, service.gid) if service and is_root() else None
    created = make_identity(Path(security.identity), _name(name), owner)
    if service is not None:
        _init_stores(security, service)
    _show(created)
    report(f"created the keys of {created.agent_id} in {security.identity}")


@identity.command(examples=("warren identity show",))
@security_options
def show(security: Security) -> None:
    """Print the node's name and public keys as JSON."""
    _show(read_identity(Path(security.identity), key_owners(security.user)))


def _show(identity: NodeIdentity) -> None:
    write(json.dumps(identity.document(), indent=2) + "\n")


def _name(name: str | None) -> str:
    if name is not None:
        return name
    try:
        return agent_id_from_host(platform.node())
    except ValueError:
        raise click.UsageError("this host name is not a valid node name; set one with --id") from None


def _service(security: Security) -> ServiceUser | None:
    """Return the user that the agent runs as, or None if this host has no such user."""
    try:
        return find_service_user(security.user, security.group)
    except HostError as error:
        warn(f"{error}: the keys stay root's; once there is such a user, give them to it: {_give(security)}")
        return None


def _give(security: Security) -> str:
    directory = Path(security.identity)
    return f"chown {security.user}: {directory / FILE} && chgrp {security.user} {directory}"


def _init_stores(security: Security, service: ServiceUser) -> None:
    """Initialize the missing replay stores. If that fails, the agent initializes them at its first start."""
    try:
        init_stores(Path(security.commands), Path(security.runner), service, wall_seconds())
    except HostError as error:
        warn(f"the replay store is not initialized yet: {error}")
