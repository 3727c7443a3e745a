"""Ask name servers for a sign of life: a question for the name servers of the root (RFC 1035, section 4.1)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from warren.config.parsers import IPAddress

PORT = 53
TRIES, TIMEOUT_SECONDS = 3, 2.0
# Recursion desired, one question: the root, type NS, class IN.
QUESTION = bytes.fromhex("0100 0001 0000 0000 0000 00 0002 0001")


async def silent_servers(servers: Sequence[IPAddress]) -> tuple[IPAddress, ...]:
    """Return the servers that did not answer; any answer with the question's id is one."""
    answers = await asyncio.gather(*(_answers(server) for server in servers))
    return tuple(server for server, has_answered in zip(servers, answers, strict=True) if not has_answered)


class _Question(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.number = secrets.token_bytes(2)
        self.answered = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Take an answer."""
        if data[:2] == self.number and not self.answered.done():
            self.answered.set_result(None)


async def _answers(server: IPAddress) -> bool:
    loop = asyncio.get_running_loop()
    try:
        transport, question = await loop.create_datagram_endpoint(_Question, remote_addr=(str(server), PORT))
    except OSError:  # there is no route
        return False
    try:
        for _ in range(TRIES):
            transport.sendto(question.number + QUESTION)
            done, _pending = await asyncio.wait((question.answered,), timeout=TIMEOUT_SECONDS)
            if done:
                return True
        return False
    finally:
        transport.close()
