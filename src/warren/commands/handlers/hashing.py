"""Performs HashPassword, in a thread: it is meant to take long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import bcrypt

from warren.commands.effects.effect import HashPassword

if TYPE_CHECKING:  # a login waits for what is imported here
    from warren.commands.pipeline.executor import Execution, Handlers

MAX_OCTETS = 72
"""What bcrypt regards; crypt(3), which nginx asks, cuts there too."""


def hash_handlers() -> Handlers:
    """bcrypt lets other threads go on meanwhile."""
    return {HashPassword: _hash}


async def _hash(effect: HashPassword, _: Execution) -> str:
    hashed = await asyncio.to_thread(bcrypt.hashpw, effect.password.open()[:MAX_OCTETS], bcrypt.gensalt(effect.cost))
    return hashed.decode().replace("$2b$", "$2y$", 1)


def fits(password: bytes, hashed: str) -> bool:
    """Whether this is the password of that hash; false for what is no hash. Takes as long as hashing."""
    try:
        return bcrypt.checkpw(password[:MAX_OCTETS], hashed.encode())
    except ValueError:
        return False
