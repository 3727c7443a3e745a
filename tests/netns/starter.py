"""Run in a host as `starter.py PROGRAM…`: opens a TUN named wg0 and its socket, and becomes the program, which inherits
both as `WG_TUN_FD` and `WG_UAPI_FD`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
SOCKET = Path("/run/wireguard/wg0.sock")


def main() -> None:
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"wg0", IFF_TUN | IFF_NO_PI))
    listener = socket.socket(socket.AF_UNIX)
    SOCKET.parent.mkdir()
    listener.bind(str(SOCKET))
    listener.listen()
    for descriptor in (tun, listener.fileno()):
        os.set_inheritable(descriptor, True)
    os.environ |= {"WG_TUN_FD": str(tun), "WG_UAPI_FD": str(listener.fileno()), "WG_PROCESS_FOREGROUND": "1"}
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - a starter is one that becomes another program


if __name__ == "__main__":
    main()
