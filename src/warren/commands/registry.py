"""All verbs: the fourteen of the two ViWorkS interfaces (G-26, V-46), and nothing else; and all periodic tasks."""

from __future__ import annotations

from collections.abc import Mapping

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
from warren.commands.verb import PeriodicTask, Verb

PROVIDERS = (openvpn, panel, users, containers, sessions, system, monitoring, bootstrap)
VERBS: Mapping[str, Verb] = {verb.name: verb for provider in PROVIDERS for verb in provider.VERBS}
PERIODIC_TASKS: tuple[PeriodicTask, ...] = (vpn_revocation.expire_users, containers.remove_expired_containers)
