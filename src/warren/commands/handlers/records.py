"""Performs the effects on records, in the command store: a change is durable when the effect is done."""

from __future__ import annotations

from collections.abc import Mapping

from warren.commands.effects.records import DeleteRecord, GetMoment, GetRecord, ListRecords, PutRecord
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.resources import Resources
from warren.elapsed_clock import Moment


def handlers(resources: Resources) -> Handlers:
    """Return the handlers."""
    store = resources.store

    async def moment(_: GetMoment, __: Execution) -> Moment:
        return await store.moment()

    async def put(effect: PutRecord, _: Execution) -> None:
        await store.put_record(effect.kind, effect.key, effect.value, effect.expires)

    async def get(effect: GetRecord, _: Execution) -> Mapping[str, object] | None:
        return await store.get_record(effect.kind, effect.key)

    async def list_all(effect: ListRecords, _: Execution) -> Mapping[str, Mapping[str, object]]:
        return await store.list_records(effect.kind)

    async def delete(effect: DeleteRecord, _: Execution) -> bool:
        return await store.delete_record(effect.kind, effect.key)

    return {GetMoment: moment, PutRecord: put, GetRecord: get, ListRecords: list_all, DeleteRecord: delete}
