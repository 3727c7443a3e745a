"""Send the same text twice, outside the tunnel and through it, while an eavesdropper captures the wire."""

from __future__ import annotations

import json
import subprocess
import sys

from demo.failure import StageError
from demo.host import PROGRAM_TIMEOUT_SECONDS, Host
from demo.screen import Screen
from demo.sniffer import Capture
from demo.tunnel import PORT

TITLE = "What an eavesdropper sees"
MARKER = "warren-plaintext"  # 16 octets, the longest pattern of ping
COUNT = 20
SEALED_BYTES = 2 * COUNT * 128  # an echo of 84 octets is padded to 96; WireGuard adds 32


def show(screen: Screen, alice: Host, bob: Host) -> str:
    """Capture the marker outside the tunnel, and only UDP between two ports through it."""
    outside = capture_pings(alice, bob, bob.wire)
    if not outside.marked:
        raise StageError("the sniffer found no plaintext outside the tunnel, so its silence would prove nothing")
    screen.fact(f"outside the tunnel: {MARKER!r} is readable in {outside.marked} of {outside.frames} frames")
    screen.quote(dump(outside.marked_excerpt))

    through = capture_pings(alice, bob, bob.inside)
    check_encrypted(through)
    screen.fact(
        f"through the tunnel: {through.marked} of {through.frames} frames readable, only UDP port {PORT} visible"
    )
    screen.quote(dump(through.tunnel_excerpt))
    return f"0 of {through.frames} captured frames were readable"


def capture_pings(alice: Host, bob: Host, address: str) -> Capture:
    """Return what bob's Ethernet interface carries while alice sends the marker to an address."""
    words = bob.command(sys.executable, "-m", "demo.sniffer", bob.cable, MARKER, str(PORT))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sniffer:
        if not sniffer.stdout or sniffer.stdout.readline() != "ready\n":
            raise StageError("the sniffer could not capture on the wire")
        alice.run("ping", "-n", "-c", str(COUNT), "-i", "0.02", "-W", "10", "-p", MARKER.encode().hex(), address)
        output, _ = sniffer.communicate(timeout=PROGRAM_TIMEOUT_SECONDS)
    return Capture(**json.loads(output))


def check_encrypted(capture: Capture) -> None:
    """Raise StageError if anything but tunnel packets and neighbour discovery was captured."""
    if capture.marked:
        raise StageError(f"text sent through the tunnel was readable on the wire in {capture.marked} frames")
    if capture.other:
        raise StageError(f"{capture.other} frames were neither tunnel packets nor neighbour discovery")
    if capture.tunnel_bytes < SEALED_BYTES or capture.missed:
        raise StageError(
            f"the sniffer captured {capture.tunnel_bytes} octets of the tunnel and missed {capture.missed} frames"
        )


def dump(excerpt: str) -> str:
    """Return octets as hexadecimal digits and printable characters, 16 per line."""
    octets = bytes.fromhex(excerpt)
    rows = [octets[start : start + 16] for start in range(0, len(octets), 16)]
    return "\n".join(f"{row.hex(' '):<48} {''.join(map(printable, row))}" for row in rows)


def printable(octet: int) -> str:
    """Return the octet as a character, or a dot."""
    return chr(octet) if 0x20 <= octet < 0x7F else "."
