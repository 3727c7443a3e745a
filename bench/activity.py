"""Peers that are there: what each costs with two sessions, and how fast many of them are beside one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import process
import uapi
from contention import Moment, Usage
from engines import Engine
from host import Host
from loadgen import HEADERS_BYTES, PACKET_BYTES, Load, LoadGenerator
from loading import resident
from tunnel import Interface, cabled

MANY = 1_000
# Packets that a peer sends at once: as one that segments, near the 45 that one send holds; and as a slow one.
BATCHES = (32, 1)
WARMING_SECONDS = 0.5
REST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Shape:
    """Who sends, and how."""

    peers: int
    batch: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What arrived on the TUN, of how much."""

    gigabits: float
    """A second, payload."""
    offered_gigabits: float
    cpu_seconds_per_gigabyte: float
    """Of the engine's process."""
    usage: Usage

    @property
    def is_limited_by_load(self) -> bool:
        """It took all there was, so that it might have taken more."""
        return self.gigabits > 0.95 * self.offered_gigabits


def octets_with_two_sessions(engine: Engine) -> float:
    """Resident, a peer: after two handshakes of each of `MANY`; the buffers for packets were there before."""
    with cabled() as (near, far):
        interface = Interface(near, engine)
        warming, generator = LoadGenerator(1), LoadGenerator(MANY)
        uapi.set_peers(interface, warming.keys(), MANY)
        with warming.running(far, interface, Load(seconds=WARMING_SECONDS, batch=max(BATCHES))):
            pass
        before = resident(interface)
        uapi.set_peers(interface, generator.keys())
        with generator.running(far, interface, Load(sessions=2, rest=REST_SECONDS)) as running:
            running.wait_for("sending")
            return (resident(interface) - before) / MANY


def throughput(engine: Engine, shape: Shape, seconds: float) -> Activity:
    """All peers send in turn, more than the engine can take."""
    with cabled() as (near, far):
        # What is for nobody is dropped behind the TUN without a word, and so costs every engine the same.
        near.run("tee", "/proc/sys/net/ipv4/ip_forward", stdin="0")
        interface, generator = Interface(near, engine), LoadGenerator(shape.peers)
        uapi.set_peers(interface, generator.keys())
        load = Load(seconds=seconds + 3 * WARMING_SECONDS, batch=shape.batch)
        with generator.running(far, interface, load) as running:
            running.wait_for("sending")
            time.sleep(WARMING_SECONDS)
            begin, octets, cpu_seconds = Moment(), _received_octets(near), _cpu_seconds(interface)
            time.sleep(seconds)
            usage, took = begin.until_now(), time.monotonic() - begin.seconds
            octets, cpu_seconds = _received_octets(near) - octets, _cpu_seconds(interface) - cpu_seconds
        offered = running.sent_packets * (PACKET_BYTES - HEADERS_BYTES) / load.seconds
        return Activity(octets * 8e-9 / took, offered * 8e-9, cpu_seconds * 1e9 / max(octets, 1), usage)


def _cpu_seconds(interface: Interface) -> float:
    engine = process.read(interface.pid) if interface.pid else None
    return engine.own_seconds if engine else 0


def _received_octets(host: Host) -> int:
    """Payload that the engine has written to wg0: an engine may join packets into one, with one pair of headers."""
    for line in Path(f"/proc/{host.pid}/net/dev").read_text().splitlines():
        name, _, counters = line.partition(":")
        if name.strip() == "wg0":
            octets, packets = map(int, counters.split()[:2])
            return octets - packets * HEADERS_BYTES
    return 0
