"""Bootstrap secrets, over a real store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.commands.commands import command, file_handlers, settings
from tests.commands.store.stores import Place
from warren.commands.effects.effect import Effects
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.system import GetRandomBytes, GetTime
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers import records
from warren.commands.handlers.resources import Resources
from warren.commands.pipeline.executor import Executor
from warren.commands.providers import bootstrap
from warren.commands.schema import Schema
from warren.commands.verb import Data, Verb, VerbContext, VerbHandler

pytestmark = pytest.mark.integration

T = TypeVar("T")
ADA = {"username": "ada", "session_id": "s-1", "ttl_seconds": 60}
PROBE = Verb("probe", "", (Schema(),))
REVOKE = next(verb for verb in bootstrap.VERBS if verb.name == "revoke_bootstrap")


class Gate:
    """A node's bootstrap verbs, and a clock that is set by hand."""

    def __init__(self, place: Place) -> None:
        self.now = 1_800_000_000.0
        self.place = place
        place.now = lambda: self.now
        self.events: list[str] = []
        self.handlers: Handlers = {}

    async def play(self, part: VerbHandler, args: Mapping[str, object] | None = None, verb: Verb = PROBE) -> Any:
        async def emit(effect: EmitEvent, _: Execution) -> None:
            self.events.append(f"{effect.event} {json.dumps(dict(effect.fields))}")

        async def now(_: GetTime, __: Execution) -> float:
            return self.now

        handlers: Handlers = {**file_handlers(), **self.handlers, EmitEvent: emit, GetTime: now}
        executor = Executor("node-1", settings(), handlers, lambda *_: b"", lambda _: None)
        result = await executor.run(command(verb.name, args), verb, part)
        assert result.problem == ""
        return result.data

    async def generate(self, args: Mapping[str, object] = ADA) -> str:
        return str((await self.play(_with(bootstrap.generate, args)))["bootstrap_token"])

    async def answer(self, effects: Effects[T]) -> T:
        """Of what is no verb."""
        found: list[T] = []

        def part(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
            found.append((yield from effects))
            return {}

        await self.play(part)
        return found[0]

    async def redeem(self, token: str) -> bootstrap.Session | None:
        return await self.answer(bootstrap.redeem(token))

    async def holder(self, cookie: str) -> Mapping[str, object] | None:
        return await self.answer(bootstrap.holder(cookie))

    async def revoke(self, token: str) -> bool:
        return bool((await self.play(REVOKE.run, {"bootstrap_token": token}, REVOKE))["revoked"])


def _with(part: VerbHandler, args: Mapping[str, object]) -> VerbHandler:
    """The executor's own schema has no arguments."""
    return lambda _, occasion: part(args, occasion)


def play(tmp_path: Path, scene: Any) -> Gate:
    async def whole() -> Gate:
        gate = Gate(Place(tmp_path))
        gate.place.begin()
        async with gate.place.opened() as store:
            gate.handlers = records.handlers(Resources(settings(), store, lambda *_: None))
            await scene(gate)
        return gate

    return asyncio.run(whole())


def test_token_can_be_redeemed_once(tmp_path: Path) -> None:
    async def scene(gate: Gate) -> None:
        token = await gate.generate()
        opened = [each for each in await asyncio.gather(*(gate.redeem(token) for _ in range(5))) if each]
        assert [(each.username, each.session_id, each.seconds) for each in opened] == [("ada", "s-1", 60)]
        assert await gate.redeem(token) is None
        found = await gate.holder(opened[0].cookie)
        assert found
        assert found["username"] == "ada"
        assert await gate.holder(token) is None

    gate = play(tmp_path, scene)
    assert [event.split()[0] for event in gate.events] == ["bootstrap.generated", "bootstrap.redeemed"]


def test_token_and_session_expire(tmp_path: Path) -> None:
    async def scene(gate: Gate) -> None:
        unused, used = await gate.generate(), await gate.generate()
        session = await gate.redeem(used)
        assert session
        gate.now += 59
        assert await gate.holder(session.cookie)
        gate.now += 2
        assert await gate.holder(session.cookie) is None
        assert await gate.redeem(unused) is None

    play(tmp_path, scene)


def test_token_and_session_can_be_revoked(tmp_path: Path) -> None:
    async def scene(gate: Gate) -> None:
        unused, used = await gate.generate(), await gate.generate()
        session = await gate.redeem(used)
        assert session
        assert await gate.revoke(unused)
        assert await gate.revoke(used)
        assert not await gate.revoke(used)
        assert await gate.holder(session.cookie) is None
        assert await gate.redeem(unused) is None

    play(tmp_path, scene)


def test_all_sessions_of_a_user_are_revoked(tmp_path: Path) -> None:
    async def scene(gate: Gate) -> None:
        unused, used = await gate.generate(), await gate.generate()
        other = await gate.generate({**ADA, "username": "bob"})
        session = await gate.redeem(used)
        assert session
        assert await gate.answer(bootstrap.revoke_all("username", "ada")) == 2
        assert await gate.redeem(unused) is None
        assert await gate.holder(session.cookie) is None
        assert await gate.redeem(other)

    play(tmp_path, scene)


def test_no_token_or_cookie_is_stored_or_logged(tmp_path: Path) -> None:
    secrets: list[str] = []

    async def scene(gate: Gate) -> None:
        secrets.append(await gate.generate())
        secrets.append(await gate.generate())
        session = await gate.redeem(secrets[0])
        assert session
        secrets.append(session.cookie)

    gate = play(tmp_path, scene)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [secret for secret in secrets if secret.encode() in kept or secret in "".join(gate.events)]


def test_token_uses_random_octets_of_the_executor() -> None:
    effects = bootstrap.generate(ADA, VerbContext("n", "c", "a"))
    assert effects.send(None) == GetRandomBytes(32)
