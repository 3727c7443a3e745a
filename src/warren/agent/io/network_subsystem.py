"""Connect the networks with the control socket, SIGHUP and the conditions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence

from warren.agent.io.networks import AgentNetworks
from warren.agent.io.sd_notify import SdNotify
from warren.agent.subsystem import Subsystem
from warren.config.defaults import Defaults
from warren.errors import WarrenError
from warren.localapi.network_actions import NetworkActions
from warren.localapi.stack_actions import StackActions
from warren.telemetry.conditions import Condition
from warren.tunnel.network_table import network_from_json

log = logging.getLogger(__name__)


def network_subsystem(
    networks: AgentNetworks,
    key_directories: Sequence[str],
    defaults: Defaults,
    hangup: asyncio.Event,
    service_manager: SdNotify,
) -> Subsystem:
    """Return the subsystem of `networks`, which reloads them whenever `hangup` is set."""

    def conditions() -> Iterator[Condition]:
        if pending := networks.tables_for_restart():
            problem = f"changes in {', '.join(pending)} take effect after a restart"
            yield Condition("config.restart_required", problem)
        if rejection := networks.rejection():
            yield Condition("config.rejected", f"the configuration in use is not that of the file: {rejection}")

    actions = NetworkActions(
        networks, lambda name, config: network_from_json(name, config, defaults.root), key_directories
    )
    rows = (*actions.actions(), *StackActions(networks).actions())
    return Subsystem("networks", lambda: _reload_on_hangup(hangup, networks, service_manager), conditions, rows)


async def _reload_on_hangup(hangup: asyncio.Event, networks: AgentNetworks, service_manager: SdNotify) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        service_manager.reloading()
        try:
            await networks.reload()
        except WarrenError as error:
            log.error("config.rejected", extra={"code": error.code, "error": str(error)})  # noqa: TRY400, no traceback
            service_manager.ready("configuration rejected")
        else:
            service_manager.ready("reloaded")
