"""The elapsed clock of the users of one OpenVPN server, in `clock.json` of its directory.

The agent cannot delete a user for good while the wall clock alone says that the user has expired, and OpenVPN's login
program, which reads no other record, must refuse a user whose time has passed while the wall clock was set back.
"""

from __future__ import annotations

from contextlib import suppress

from warren.commands.effects.effect import Effects, Secret, do
from warren.commands.effects.files import ListDirectory, ReadFile, WriteFile
from warren.commands.effects.system import GetClocks
from warren.commands.providers.openvpn_files import ENTRY, VpnFiles
from warren.commands.providers.openvpn_user import parse_user
from warren.elapsed_clock import ClockReading, ElapsedClock, ElapsedState, Moment
from warren.strictjson import encode, parse_object

MODE = 0o644
SAVE_SECONDS = 600
"""A power cut loses this much of the elapsed time; users are then kept longer before they are deleted."""


def vpn_moment(files: VpnFiles) -> Effects[Moment]:
    """Return the present moment, and store the clock if that is due. The caller holds the lock or is the only one."""
    reading = yield from do(GetClocks())
    stored = parse_clock((yield from do(ReadFile(files.clock))))
    state = stored or ElapsedState((yield from _highest(files)), reading.boottime, reading.boot_id)
    clock = ElapsedClock(state, reading)
    moment = clock.read(reading)
    due = stored is None or stored.boot_id != reading.boot_id or moment.elapsed >= stored.elapsed + SAVE_SECONDS
    if due:
        yield from do(WriteFile(files.clock, Secret(encode_clock(clock.state)), MODE))
    return moment


def read_moment(octets: bytes | None, reading: ClockReading) -> Moment:
    """Return the moment of a reading by the stored clock, for a program that only reads it."""
    return ElapsedClock(parse_clock(octets), reading).read(reading)


def encode_clock(state: ElapsedState) -> bytes:
    """Encode a clock for its file."""
    members = {"elapsed": state.elapsed, "boottime": state.boottime, "boot_id": state.boot_id}
    return encode(members) + b"\n"


def parse_clock(octets: bytes | None) -> ElapsedState | None:
    """Parse a clock; None if there is none, or its file is malformed."""
    with suppress(ValueError):
        match parse_object(octets or b""):
            case {"elapsed": int() | float() as elapsed, "boottime": int() | float() as boottime, "boot_id": str(boot)}:
                return ElapsedState(float(elapsed), float(boottime), boot)
    return None


def _highest(files: VpnFiles) -> Effects[float]:
    """Return where a lost clock continues: when the newest user was created."""
    highest = 0.0
    for name in (yield from do(ListDirectory(files.access))):
        if name.endswith(ENTRY):
            octets = yield from do(ReadFile(f"{files.access}/{name}"))
            with suppress(ValueError):
                highest = max(highest, parse_user(octets or b"").created_elapsed)
    return highest
