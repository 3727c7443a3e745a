"""Actions of the control socket for signed commands: one row each, and the parsing of their `config`.

The rows are the same on a node without commands, where each of them fails with the reason. This module therefore
imports nothing of what runs commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from warren.errors import InputError
from warren.local_client import Client
from warren.localapi.action import Action, Data
from warren.localapi.messages import Request

if TYPE_CHECKING:
    from warren.agent.io.commands.local_ingress import LocalIngress


class CommandActions:
    """Pass requests to the local ingress. `ingress` returns it, or raises the WarrenError that explains its absence."""

    def __init__(self, ingress: Callable[[], LocalIngress]) -> None:
        self._ingress = ingress

    def actions(self) -> tuple[Action, ...]:
        """Return the rows to register."""
        return (
            Action("challenge", self._challenge, read_only=True),
            Action("command", self._command, takes_config=True),
            Action("dry_run", self._dry_run, takes_config=True),
            Action("cancel", self._cancel, takes_config=True),
            Action("tail_output", self._tail_output, takes_config=True),
            Action("begin_record", self._begin_record, event="record.lowered"),
        )

    async def _challenge(self, _request: Request, _client: Client, now: float) -> Data:
        """Return what a signer of commands for this socket needs, valid until the agent restarts.

        Response: `{agent_id, transport, sid, now, kid, signing, sealing, policy_id, cluster, bundle_version}`
        """
        return self._ingress().challenge(now)

    async def _command(self, request: Request, client: Client, _now: float) -> Data:
        """Run a signed command, and return its result plain and signed.

        Config: `{"envelope": TEXT}`
        Response: `{result, jws}`
        """
        return await self._ingress().submit(_only_text(request, "envelope"), client.uid)

    async def _dry_run(self, request: Request, client: Client, _now: float) -> Data:
        """Return the effects that a signed command would have; `problem` is there if it would fail.

        Nothing is run, and the nonce is not consumed. It counts for the rates, and the audit log has it.

        Config: `{"envelope": TEXT}`
        Response: `{effects, problem}`
        """
        return await self._ingress().dry_run(_only_text(request, "envelope"), client.uid)

    async def _cancel(self, request: Request, client: Client, _now: float) -> Data:
        """Cancel a running command; `cancelled` is false if it was not running.

        Config: `{"corr_id": TEXT}`
        Response: `{corr_id, cancelled}`
        """
        return self._ingress().cancel(_only_text(request, "corr_id"), client.uid)

    async def _begin_record(self, _request: Request, client: Client, _now: float) -> Data:
        """Have a record of used commands that was begun while the clock was ahead begin now. Only root may.

        Response: `{begun, lowered}`
        """
        return await self._ingress().begin_record(client.uid)

    async def _tail_output(self, request: Request, _client: Client, _now: float) -> Data:
        """Return the output of a running command from an offset on, as soon as there is some.

        Config: `{"corr_id": TEXT, "from": OFFSET}`
        Response: `{text, next, ended}`
        """
        config = request.config or {}
        offset = config.get("from", 0)
        if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
            raise InputError("config: from: expected an integer of at least 0", code="request.malformed")
        return await self._ingress().tail_output(_text(config, "corr_id", "from"), offset)


def _only_text(request: Request, name: str) -> str:
    """Return the one member of a request's `config`. Raises InputError."""
    return _text(request.config or {}, name)


def _text(config: Mapping[str, object], name: str, *optional: str) -> str:
    """Return a string member of a `config` that has no members but this and `optional`. Raises InputError."""
    value = config.get(name)
    if not isinstance(value, str) or config.keys() - {name, *optional}:
        raise InputError(f'config: expected {{"{name}": TEXT}}', code="request.malformed")
    return value
