"""The same words sent twice, beside the tunnel and through it, before the eyes of a stranger on the wire."""

from __future__ import annotations

import json
import subprocess
import sys

from demo.failure import StageError
from demo.host import PROGRAM_SECONDS, Host
from demo.screen import Screen
from demo.tunnel import PORT
from demo.witness import Sight

TITLE = "What a stranger on the wire can read"
MARKER = "warren-plaintext"  # 16 octets: the most that ping repeats as a pattern
ECHOES = 20
SEALED_BYTES = 2 * ECHOES * 128  # an echo of 84 octets is padded to 96; WireGuard adds 32


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """The witness must read the marker beside the tunnel, and only UDP between two ports through it."""
    beside = seen_while_echoing(alice, bob, bob.wire)
    if not beside.marked:
        raise StageError("the witness read nothing even beside the tunnel, so it would prove nothing")
    screen.fact(f"beside the tunnel, {MARKER!r} was read in {beside.marked} of {beside.frames} frames:")
    screen.quote(dump(beside.marked_excerpt))

    through = seen_while_echoing(alice, bob, bob.inside)
    verify_secret(through)
    screen.fact(f"through the tunnel, in {through.marked} of {through.frames}; all it saw was UDP port {PORT}:")
    screen.quote(dump(through.tunnel_excerpt))
    return f"none of {through.frames} frames on the wire showed what was in them"


def seen_while_echoing(alice: Host, bob: Host, address: str) -> Sight:
    """What bob's end of the wire shows while alice sends the marker to an address."""
    words = bob.command(sys.executable, "-m", "demo.witness", bob.cable, MARKER, str(PORT))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as witness:
        if not witness.stdout or witness.stdout.readline() != "ready\n":
            raise StageError("the witness could not listen on the wire")
        alice.run("ping", "-n", "-c", str(ECHOES), "-i", "0.02", "-W", "10", "-p", MARKER.encode().hex(), address)
        said, _ = witness.communicate(timeout=PROGRAM_SECONDS)
    return Sight(**json.loads(said))


def verify_secret(sight: Sight) -> None:
    """StageError if anything but the tunnel's packets and neighbour discovery was there to see."""
    if sight.marked:
        raise StageError(f"the words sent through the tunnel were read on the wire, in {sight.marked} frames")
    if sight.other:
        raise StageError(f"{sight.other} frames on the wire were neither the tunnel's nor neighbour discovery")
    if sight.tunnel_bytes < SEALED_BYTES or sight.missed:
        raise StageError(f"the witness saw {sight.tunnel_bytes} octets of the tunnel and missed {sight.missed} frames")


def dump(excerpt: str) -> str:
    """Octets in hexadecimal and, where printable, as text; 16 a line."""
    octets = bytes.fromhex(excerpt)
    rows = [octets[start : start + 16] for start in range(0, len(octets), 16)]
    return "\n".join(f"{row.hex(' '):<48} {''.join(map(printable, row))}" for row in rows)


def printable(octet: int) -> str:
    """The octet as a character, or a dot."""
    return chr(octet) if 0x20 <= octet < 0x7F else "."
