"""Performs the effects on records by the store of single use."""

from __future__ import annotations

from collections.abc import Mapping

from warren.commands.effects.effect import DeleteRecord, GetRecord, ListRecords, PutRecord
from warren.commands.pipeline.executor import Execution, Handlers
from warren.commands.store.records import Records


def record_handlers(records: Records) -> Handlers:
    """Durably: what is kept or dropped is on the disk when the effect is done."""

    async def keep(effect: PutRecord, _: Execution) -> None:
        await records.keep(effect.kind, effect.key, effect.value, effect.expires)

    async def find(effect: GetRecord, _: Execution) -> Mapping[str, object] | None:
        return await records.find(effect.kind, effect.key)

    async def list_all(effect: ListRecords, _: Execution) -> Mapping[str, Mapping[str, object]]:
        return await records.list(effect.kind)

    async def drop(effect: DeleteRecord, _: Execution) -> bool:
        return await records.drop(effect.kind, effect.key)

    return {PutRecord: keep, GetRecord: find, ListRecords: list_all, DeleteRecord: drop}
