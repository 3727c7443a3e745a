"""The action `begin_record` of the control socket: root alone vouches for the clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.commands.sandbox_requests import NOW
from tests.commands.store.stores import Place
from warren.agent.io.commands.local_ingress import LocalIngress
from warren.commands.pipeline.bundle_cache import BundleCache
from warren.commands.settings import SecuritySettings
from warren.errors import HostError

pytestmark = [pytest.mark.integration, pytest.mark.security]


def test_only_root_lowers_the_beginning_of_a_record(tmp_path: Path) -> None:
    clock = [NOW + 86_400.0]
    place = Place(tmp_path, now=lambda: clock[0])

    async def day() -> None:
        async with place.opened() as store:
            problems = [store.ahead_problem]
            clock[0] = NOW
            problems.append(store.ahead_problem)
            assert [problem is not None for problem in problems] == [False, True]
            ingress = LocalIngress.__new__(LocalIngress)
            ingress._store = store
            ingress._bundles = BundleCache(SecuritySettings(str(tmp_path / "trust.jws"), str(tmp_path)))
            with pytest.raises(HostError, match="expected root"):
                await ingress.begin_record(1_000)
            assert await ingress.begin_record(0) == {"begun": NOW + 60, "lowered": True}
            assert await ingress.begin_record(0) == {"begun": NOW + 60, "lowered": False}
            assert store.ahead_problem is None

    asyncio.run(day())
    assert place.lines()[-1]["event"] == "record.lowered"
