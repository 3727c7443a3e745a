"""All verbs there are: the fourteen of documents 001 and 004 (G-26, V-46), and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from warren.commands.periodic import Due
from warren.commands.providers import (
    bootstrap,
    containers,
    monitoring,
    openvpn,
    panel,
    sessions,
    system,
    users,
    vpn_revocation,
)
from warren.commands.verbs import Verb

PROVIDERS = (openvpn, panel, users, containers, sessions, system, monitoring, bootstrap)
VERBS: Mapping[str, Verb] = {verb.name: verb for provider in PROVIDERS for verb in provider.VERBS}
UPKEEP: tuple[Due, ...] = (vpn_revocation.expire_users, containers.reap_containers)
"""What is due by itself, for whoever has the rights."""
