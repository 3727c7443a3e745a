"""What is said while a command is under way."""

from __future__ import annotations

import asyncio

import pytest

from warren.commands.pipeline.output_buffer import MAX_CHUNK, MAX_KEPT, OutputBuffer, OutputChunk

pytestmark = pytest.mark.unit


async def follow(text: OutputBuffer) -> tuple[bytes, list[OutputChunk]]:
    pieces = [await text.after(0, 60)]
    while not pieces[-1].has_ended:
        pieces.append(await text.after(pieces[-1].next, 60))
    return b"".join(piece.octets for piece in pieces), pieces


def test_tail_gets_all_output_as_it_arrives() -> None:
    async def both() -> bytes:
        text = OutputBuffer()
        async with asyncio.TaskGroup() as group:
            followed = group.create_task(follow(text))
            for number in range(10):
                text.feed(f"{number},".encode())
                await asyncio.sleep(0)
            text.end()
        return followed.result()[0]

    assert asyncio.run(both()) == b"0,1,2,3,4,5,6,7,8,9,"


def test_buffer_keeps_the_last_octets() -> None:
    async def late() -> tuple[bytes, list[OutputChunk]]:
        text = OutputBuffer()
        text.feed(b"a" * 10)
        text.feed(b"b" * MAX_KEPT)
        text.end()
        return await follow(text)

    octets, pieces = asyncio.run(late())
    assert octets == b"b" * MAX_KEPT
    assert pieces[0].offset == 10
    assert max(len(piece.octets) for piece in pieces) == MAX_CHUNK


def test_tail_returns_empty_chunk_after_timeout() -> None:
    async def quiet() -> OutputChunk:
        return await OutputBuffer().after(0, 0.01)

    assert asyncio.run(quiet()) == OutputChunk(0, b"", has_ended=False)
