"""Receive signed commands from the control socket."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping

from warren.commands.envelope import Ingress
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.command_pipeline import CommandPipeline
from warren.commands.result import Code, CommandError
from warren.commands.result_json import signed_members
from warren.commands.signing import sign_result_members
from warren.commands.store.command_store import CommandStore
from warren.errors import HostError, InputError, WarrenError
from warren.localapi.action import Data
from warren.trust.identity import NodeIdentity

ROOT = 0
TRANSPORT = "local"
RECENT_COMMANDS = 20
TAIL_SECONDS = 5.0  # a client that tails a silent command gets an empty response after that, and asks again

log = logging.getLogger(__name__)


class LocalIngress:
    """Submit commands to the pipeline in one session, `sid`: what was signed for another session is rejected."""

    def __init__(  # noqa: PLR0913, PLR0917, each is a part of the service behind it
        self,
        identity: NodeIdentity,
        sid: str,
        bundles: BundleCache,
        pipeline: CommandPipeline,
        store: CommandStore,
        group: asyncio.TaskGroup,
    ) -> None:
        self._identity = identity
        self._sid = sid
        self._bundles = bundles
        self._pipeline = pipeline
        self._store = store
        self._group = group
        self._recent: deque[Mapping[str, object]] = deque(maxlen=RECENT_COMMANDS)

    def recent(self, count: int) -> tuple[Mapping[str, object], ...]:
        """Return the last commands received here, the newest first, without their arguments."""
        return tuple(self._recent)[:count]

    def challenge(self, now: float) -> Data:
        """Return what a signer of commands for this session needs."""
        bundle = self._bundles.bundle()
        return {
            **self._identity.document(),
            "transport": TRANSPORT,
            "sid": self._sid,
            "now": int(now),
            "policy_id": bundle.policy_id if bundle else None,
            "cluster": bundle.cluster if bundle else None,
            "bundle_version": bundle.version if bundle else None,
        }

    async def submit(self, envelope: str, uid: int) -> Data:
        """Run a command to its end: `{result, jws}`, RESULT and the same signed."""
        result = await self._pipeline.submit(envelope, Ingress(TRANSPORT, self._sid, f"uid {uid}"))
        # The client receives this response and may submit the same envelope again: nobody fetches the result later.
        self._group.create_task(self._acknowledge(result.corr_id), name="acknowledgement")
        members = signed_members(result, self._bundles.cluster())
        self._remember(members)
        return {"result": members, "jws": sign_result_members(members, self._identity.signing)}

    async def dry_run(self, envelope: str, uid: int) -> Data:
        """Return the effects that a command would have. Raises InputError where it would be rejected."""
        try:
            dry_run = await self._pipeline.dry_run(envelope, Ingress(TRANSPORT, self._sid, f"uid {uid}"))
        except CommandError as error:
            raise InputError(f"{error.code}: {error}", code="command.refused") from error
        return dry_run.members()

    async def begin_record(self, uid: int) -> Data:
        """Have a record that was begun while the clock was ahead begin now: `{begun, lowered}`. Root vouches for it."""
        if uid != ROOT:
            problem = f"uid {uid} may not request begin_record; expected root"
            raise HostError(problem, code="request.denied", hint="run it as root, who vouches for the clock")
        self._bundles.bundle()  # its time floor counts, and another may have been installed since the last command
        begun, lowered = await self._store.lower_beginning()
        return {"begun": begun, "lowered": lowered}

    def cancel(self, corr_id: str, uid: int) -> Data:
        """Cancel a running command: `{corr_id, cancelled}`, the last false where none of that corr_id was running."""
        cancelled = self._pipeline.cancel(corr_id, Code.CANCELLED, f"cancelled by uid {uid}")
        return {"corr_id": corr_id, "cancelled": cancelled}

    async def tail_output(self, corr_id: str, offset: int) -> Data:
        """Return the output of a running command from `offset` on, as soon as there is some: `{text, next, ended}`."""
        output = self._pipeline.output(corr_id)
        if output is None:
            return {"text": "", "next": offset, "ended": True}
        chunk = await output.after(offset, TAIL_SECONDS)
        return {"text": chunk.octets.decode(errors="replace"), "next": chunk.next, "ended": chunk.has_ended}

    def _remember(self, members: Mapping[str, object]) -> None:
        self._recent.appendleft({name: members[name] for name in ("ts", "corr_id", "verb", "status", "error_code")})

    async def _acknowledge(self, corr_id: str) -> None:
        try:
            await self._store.acknowledge(corr_id)
        except (WarrenError, RuntimeError) as error:  # the disk is full, or the store has closed: the result is kept
            log.debug("result.unacknowledged", extra={"corr_id": corr_id, "reason": str(error)})
