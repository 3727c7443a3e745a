"""The beginning of the runner's record of used commands, which root lowers while no runner has it open.

The agent cannot ask the runner for that: a taken-over agent would lower the record to run an intent again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from warren.audit.event import Origin
from warren.clock import RELEASE_SECONDS
from warren.commands.store.command_store import CommandStore, has_store
from warren.errors import TrustError
from warren.jws import JwsError, from_base64url, read
from warren.privsep.io.pinned_node import verify_bundle_path
from warren.strictjson import parse_object
from warren.trust.io.bundle_file import read_text


def begin_runner_record(directory: Path, bundle: Path) -> str:
    """Have the record begin now if it begins later, and return what it is, for people.

    Raises HostError and TrustError: a runner has it open, or a file cannot be used.
    """
    if not has_store(directory):
        return "there is none"
    verify_bundle_path(bundle)
    return asyncio.run(_lower(directory, max(RELEASE_SECONDS, _issued(bundle))))


async def _lower(directory: Path, floor: int) -> str:
    store = CommandStore(directory, Origin("runner"), floor=lambda: floor)
    await store.recover()
    try:
        begun, lowered = await store.lower_beginning()
    finally:
        await store.close()
    return f"begins at {begun}" + ("" if lowered else ", as before")


def _issued(bundle: Path) -> int:
    """Return the `iat` of the last bundle of root's file, which root has verified when it was installed."""
    if not bundle.exists():
        return 0
    try:
        token = read(read_text(bundle).split()[-1])
        return int(str(parse_object(from_base64url(token.text.split(".")[1])).get("iat", 0)))
    except (JwsError, ValueError, IndexError) as error:
        raise TrustError(f"{bundle}: {error}", code="trust.malformed") from error
