"""Run in a host as `supervised.py SOCKET PROGRAM…`: has the kernel ask at SOCKET about the system calls that offloads
are asked for and used with (seccomp_unotify(2)), and becomes the program.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys

# By machine: ioctl, writev, setsockopt, sendmmsg, and seccomp itself.
NUMBERS = {"x86_64": (16, 20, 54, 307, 317), "aarch64": (29, 66, 208, 269, 277)}
NAMES = ("ioctl", "writev", "setsockopt", "sendmmsg")
TUNSETIFF, TUNSETOFFLOAD, SOL_UDP = 0x400454CA, 0x400454D0, 17

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, SECOND_ARGUMENT_AT = 0, 24  # in struct seccomp_data
ASK, ALLOW = 0x7FC00000, 0x7FFF0000
SET_MODE_FILTER, NEW_LISTENER = 1, 8
PR_SET_NO_NEW_PRIVS = 38


def program(numbers: tuple[int, ...]) -> bytes:
    """The filter: of ioctl only those that make a TUN and its offloads, of setsockopt only UDP's."""
    ioctl, writev, setsockopt, sendmmsg, _ = numbers
    steps = [
        (LOAD, 0, 0, NUMBER_AT),
        (EQUAL, 8, 0, writev),
        (EQUAL, 7, 0, sendmmsg),
        (EQUAL, 4, 0, setsockopt),
        (EQUAL, 0, 6, ioctl),
        (LOAD, 0, 0, SECOND_ARGUMENT_AT),
        (EQUAL, 3, 0, TUNSETIFF),
        (EQUAL, 2, 3, TUNSETOFFLOAD),
        (LOAD, 0, 0, SECOND_ARGUMENT_AT),
        (EQUAL, 0, 1, SOL_UDP),
        (RETURN, 0, 0, ASK),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", code, yes, no, value) for code, yes, no, value in steps)


def listener() -> int:
    """Installs the filter for this process; the descriptor at which the kernel asks."""
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = NUMBERS[platform.machine()]
    steps = program(numbers)
    octets = ctypes.create_string_buffer(steps)
    filters = ctypes.create_string_buffer(struct.pack("@HP", len(steps) // 8, ctypes.addressof(octets)))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    descriptor = libc.syscall(numbers[4], SET_MODE_FILTER, NEW_LISTENER, filters)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
    return int(descriptor)


def main() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        socket.send_fds(connection, [b"\0"], [listener()])
        connection.recv(1)  # the supervisor has it: from now on it may be asked
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - becomes another program, as starter.py does


if __name__ == "__main__":
    main()
