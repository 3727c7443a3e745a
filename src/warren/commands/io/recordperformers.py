"""Performs the effects on records by the store of single use."""

from __future__ import annotations

from collections.abc import Mapping

from warren.commands.effects import DropRecord, FindRecord, KeepRecord, ListRecords
from warren.commands.io.executor import Performers, Running
from warren.commands.io.records import Records


def record_performers(records: Records) -> Performers:
    """Durably: what is kept or dropped is on the disk when the effect is done."""

    async def keep(effect: KeepRecord, _: Running) -> None:
        await records.keep(effect.kind, effect.key, effect.value, effect.expires)

    async def find(effect: FindRecord, _: Running) -> Mapping[str, object] | None:
        return await records.find(effect.kind, effect.key)

    async def list_all(effect: ListRecords, _: Running) -> Mapping[str, Mapping[str, object]]:
        return await records.list(effect.kind)

    async def drop(effect: DropRecord, _: Running) -> bool:
        return await records.drop(effect.kind, effect.key)

    return {KeepRecord: keep, FindRecord: find, ListRecords: list_all, DropRecord: drop}
