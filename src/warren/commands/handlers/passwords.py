"""Performs HashPassword, in a thread: it takes long by design."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import bcrypt

from warren.commands.effects.passwords import HashPassword

if TYPE_CHECKING:  # `warren openvpn verify` delays a login by the time that its imports take
    from warren.commands.execution import Execution, Handlers
    from warren.commands.handlers.resources import Resources

MAX_OCTETS = 72
"""The octets that bcrypt uses; crypt(3), which nginx calls, truncates there too."""


def handlers(_: Resources | None = None) -> Handlers:
    """Return the handler; bcrypt releases the interpreter lock."""
    return {HashPassword: _hash}


async def _hash(effect: HashPassword, _: Execution) -> str:
    hashed = await asyncio.to_thread(bcrypt.hashpw, effect.password.open()[:MAX_OCTETS], bcrypt.gensalt(effect.cost))
    return hashed.decode().replace("$2b$", "$2y$", 1)


def matches(password: bytes, hashed: str) -> bool:
    """Return whether the password has this hash; False if the hash is malformed. Takes as long as hashing."""
    try:
        return bcrypt.checkpw(password[:MAX_OCTETS], hashed.encode())
    except ValueError:
        return False
