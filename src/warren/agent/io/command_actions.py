"""The transport `local`: actions of the control socket for signed commands."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping

from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.pipeline.command_pipeline import CommandPipeline, Ingress
from warren.commands.result import Code, CommandError, Result
from warren.commands.result_json import result_members
from warren.commands.signing import sign_result
from warren.commands.store.command_store import CommandStore
from warren.errors import InputError, WarrenError
from warren.local_client import Client
from warren.localapi.messages import Request
from warren.localapi.router import Action, Data
from warren.trust.identity import NodeIdentity

TRANSPORT = "local"
RECENT = 20
FOLLOW_SECONDS = 5.0  # for which who follows a silent command is kept waiting, before they ask again

log = logging.getLogger(__name__)


class CommandApi:
    """In one session of it, `sid`: what was signed for another is refused."""

    def __init__(  # noqa: PLR0913, PLR0917, each is a part of what is behind it
        self,
        identity: NodeIdentity,
        sid: str,
        trusted: BundleCache,
        intake: CommandPipeline,
        store: CommandStore,
        group: asyncio.TaskGroup,
    ) -> None:
        self._identity = identity
        self._sid = sid
        self._trusted = trusted
        self._intake = intake
        self._store = store
        self._group = group
        self._recent: deque[Mapping[str, object]] = deque(maxlen=RECENT)

    def actions(self) -> Mapping[str, Action]:
        """By name."""
        return {
            "challenge": self._challenge,
            "command": self._command,
            "preview": self._preview,
            "cancel": self._cancel,
            "output": self._output,
        }

    def recent(self, count: int) -> tuple[Mapping[str, object], ...]:
        """The last commands that came by it, the newest first, without their arguments."""
        return tuple(self._recent)[:count]

    async def _challenge(self, _request: Request, _client: Client, now: float) -> Data:
        """Return what a signer needs: `{agent_id, transport, sid, now, kid, signing, sealing, policy_id}`."""
        bundle = self._trusted.bundle()
        return {
            **self._identity.document(),
            "transport": TRANSPORT,
            "sid": self._sid,
            "now": int(now),
            "policy_id": bundle.policy_id if bundle else None,
        }

    async def _command(self, request: Request, client: Client, _now: float) -> Data:
        """`{result, jws}`: RESULT, and the same signed; `config` is `{"envelope": …}`."""
        envelope = _member(request, "envelope")
        result = await self._intake.submit(envelope, Ingress(TRANSPORT, self._sid, f"uid {client.uid}"))
        self._remember(result)
        # The caller on this transport has the answer and may ask again: nobody fetches it later.
        self._group.create_task(self._acknowledge(result.corr_id), name="acknowledgement")
        return {"result": result_members(result), "jws": sign_result(result, self._identity.signing)}

    async def _preview(self, request: Request, _client: Client, _now: float) -> Data:
        """`{effects: […]}`, and `problem` where it would fail; nothing is carried out, and no number used up."""
        envelope = _member(request, "envelope")
        try:
            return dict(await self._intake.preview(envelope, Ingress(TRANSPORT, self._sid, "preview")))
        except CommandError as error:
            raise InputError(f"{error.code}: {error}", code="command.refused") from error

    async def _cancel(self, request: Request, client: Client, _now: float) -> Data:
        """`{cancelled}`; `config` is `{"corr_id": …}`."""
        corr_id = _member(request, "corr_id")
        cancelled = self._intake.cancel(corr_id, Code.CANCELLED, f"uid {client.uid} has cancelled it")
        return {"corr_id": corr_id, "cancelled": cancelled}

    async def _output(self, request: Request, _client: Client, _now: float) -> Data:
        """`{text, next, ended}`, as soon as there is more; `config` is `{"corr_id": …, "from": OFFSET}`."""
        config = request.config or {}
        offset = config.get("from", 0)
        if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
            raise InputError("config: from: expected a whole number from 0 on", code="request.malformed")
        text = self._intake.output(_member(request, "corr_id", "from"))
        if text is None:
            return {"text": "", "next": offset, "ended": True}
        piece = await text.after(offset, FOLLOW_SECONDS)
        return {"text": piece.octets.decode(errors="replace"), "next": piece.next, "ended": piece.has_ended}

    def _remember(self, result: Result) -> None:
        members = result_members(result)
        self._recent.appendleft({name: members[name] for name in ("ts", "corr_id", "verb", "status", "error_code")})

    async def _acknowledge(self, corr_id: str) -> None:
        try:
            await self._store.acknowledge(corr_id)
        except (WarrenError, RuntimeError) as error:  # the disk is full, or the store has closed: it stays spooled
            log.debug("result.spooled", extra={"corr_id": corr_id, "reason": str(error)})


def _member(request: Request, name: str, *others: str) -> str:
    config = request.config or {}
    value = config.get(name)
    if not isinstance(value, str) or set(config) - {name, *others}:
        problem = f'config: expected {{"{name}": TEXT}}'
        raise InputError(problem, code="request.malformed")
    return value
