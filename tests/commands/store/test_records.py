"""What a provider keeps is there until it is dropped, once, or its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.commands.sandbox_requests import NOW
from tests.commands.store.stores import Place
from warren.commands.store.command_store import CommandStore

pytestmark = pytest.mark.integration

VALUE = {"user": "anna", "since": NOW, "parts": ["vpn", {"id": None}]}


class Provider:
    """With a clock that is set by hand."""

    def __init__(self, directory: Path) -> None:
        self.time = float(NOW)
        self.place = Place(directory, now=lambda: self.time).begin()

    def day(self, story: Callable[[CommandStore], Awaitable[None]]) -> None:
        """Of a process from its start to its end."""

        async def live() -> None:
            async with self.place.opened() as store:
                await story(store)

        asyncio.run(live())


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(tmp_path)


def test_record_survives_restart(provider: Provider) -> None:
    async def before(store: CommandStore) -> None:
        await store.put_record("session", "a", VALUE)
        await store.put_record("session", "b", {"user": "b"})
        await store.put_record("other", "a", {})

    async def after(store: CommandStore) -> None:
        assert await store.get_record("session", "a") == VALUE
        assert await store.list_records("session") == {"a": VALUE, "b": {"user": "b"}}
        assert await store.get_record("session", "c") is None
        assert await store.list_records("nothing") == {}

    provider.day(before)
    provider.day(after)


def test_put_replaces_record_and_its_expiry(provider: Provider) -> None:
    async def story(store: CommandStore) -> None:
        await store.put_record("session", "a", VALUE, expires=(await store.moment()).after(10))
        await store.put_record("session", "a", {"user": "b"})
        provider.time += 10
        assert await store.list_records("session") == {"a": {"user": "b"}}

    provider.day(story)


@pytest.mark.security
def test_of_concurrent_deletes_one_gets_true(provider: Provider) -> None:
    async def story(store: CommandStore) -> None:
        await store.put_record("bootstrap", "hash", VALUE)
        dropped = await asyncio.gather(*(store.delete_record("bootstrap", "hash") for _ in range(20)))
        assert sorted(dropped) == [False] * 19 + [True]

    provider.day(story)
    provider.day(lambda store: is_gone(store, "hash"))


@pytest.mark.security
def test_record_expires(provider: Provider) -> None:
    async def story(store: CommandStore) -> None:
        await store.put_record("bootstrap", "late", VALUE, expires=(await store.moment()).after(10))
        provider.time += 9
        assert await store.get_record("bootstrap", "late") == VALUE
        provider.time += 1
        await is_gone(store, "late")

    provider.day(story)


async def is_gone(store: CommandStore, key: str) -> None:
    assert await store.get_record("bootstrap", key) is None
    assert await store.list_records("bootstrap") == {}
    assert await store.delete_record("bootstrap", key) is False


def test_put_rejects_value_that_json_cannot_express(provider: Provider) -> None:
    async def story(store: CommandStore) -> None:
        await store.put_record("session", "a", VALUE)
        with pytest.raises(TypeError):
            await store.put_record("session", "a", {"octets": b""})
        with pytest.raises(ValueError, match="not JSON compliant"):
            await store.put_record("session", "a", {"number": float("nan")})
        assert await store.get_record("session", "a") == VALUE

    provider.day(story)
