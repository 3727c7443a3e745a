"""Ends users whose time is up, in the process that has the rights to."""

from __future__ import annotations

import asyncio
import logging

from warren.commands.effects import EffectError
from warren.commands.io.executor import Executor
from warren.commands.providers.vpnending import LOOK_AGAIN_SECONDS, expire_users
from warren.commands.result import CommandError
from warren.commands.settings import CommandSettings

log = logging.getLogger(__name__)


def is_needed(settings: CommandSettings) -> bool:
    """Whether there can be users who end."""
    return settings.security.exec_enable and settings.services.openvpn.directory is not None


async def keep_expiring(executor: Executor) -> None:
    """Until it is cancelled. What fails is logged when it changes, and tried again."""
    before: object = None
    while True:
        again: float = LOOK_AGAIN_SECONDS
        trouble: object = None
        try:
            looked = await executor.tend(expire_users)
            again, trouble = looked.again_seconds, looked.failed or None
        except (EffectError, CommandError) as error:
            trouble = str(error)
        if trouble and trouble != before:
            log.warning("user.not_ended", extra={"problem": trouble})
        before = trouble
        await asyncio.sleep(again)
