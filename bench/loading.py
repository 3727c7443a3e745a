"""Peers that never connect: how long ten thousand take to load, and what each costs."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass

import process
import uapi
from engines import Engine
from failure import BenchError
from loadgen import FIRST_INNER
from tunnel import OUTER, PORT, Interface, cabled

PEERS = 10_000
# Loaded before and in steps, so that the room for a message is there when memory is looked at first.
BEFORE, STEP = 2_000, 500


@dataclass(frozen=True, slots=True)
class Loading:
    """One round."""

    set_seconds: float
    """One UAPI message."""
    setconf_seconds: float
    """`wg setconf`, the program's own time included."""
    octets: float
    """Resident, a peer: all that one message of all of them left behind."""
    octets_in_steps: float
    """Resident, a peer: in messages of `STEP`."""


def measure(engine: Engine) -> Loading:
    """A fresh engine for each figure."""
    keys = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(PEERS)]
    set_seconds, octets = _by_one_set(engine, keys)
    return Loading(set_seconds, _by_setconf(engine, keys), octets, _in_steps(engine, keys))


def resident(interface: Interface) -> int:
    """Octets of an engine that is a process."""
    if interface.pid is None:
        raise BenchError(f"{interface.engine.name} has no process")
    return process.resident_bytes(interface.pid)


def _by_one_set(engine: Engine, keys: list[str]) -> tuple[float, float]:
    with cabled() as (near, _):
        interface = Interface(near, engine)
        before = resident(interface)
        seconds = uapi.set_peers(interface, keys)
        return seconds, (resident(interface) - before) / len(keys)


def _by_setconf(engine: Engine, keys: list[str]) -> float:
    with cabled() as (near, _):
        interface = Interface(near, engine)
        text = f"[Interface]\nPrivateKey = {interface.keys.private}\nListenPort = {PORT}\n"
        for number, key in enumerate(keys):
            text += f"[Peer]\nPublicKey = {key}\nAllowedIPs = {FIRST_INNER + number}/32\n"
            text += f"Endpoint = {OUTER['far']}:{PORT}\n"
        begin = time.monotonic()
        interface.configure("setconf", text)
        return time.monotonic() - begin


def _in_steps(engine: Engine, keys: list[str]) -> float:
    with cabled() as (near, _):
        interface = Interface(near, engine)
        before = 0
        for first in range(0, len(keys), STEP):
            if first == BEFORE:
                before = resident(interface)
            uapi.set_peers(interface, keys[first : first + STEP], first)
        return (resident(interface) - before) / (len(keys) - BEFORE)
