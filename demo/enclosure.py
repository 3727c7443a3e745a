"""The place where the demonstration happens: namespaces of its own, so that nothing of it can stay behind.

Network, mounts and processes are private. The kernel takes every interface, socket and daemon away when the first
process inside ends, and that one ends as soon as nobody holds its standard input any more: after success, failure,
Ctrl-C and kill -9 alike. Without root a user namespace lends the rights for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from demo.failure import StageError

INSIDE = "WARREN_DEMO_INSIDE"
UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
TUN = Path("/dev/net/tun")


def is_inside() -> bool:
    """Whether this process is the first of an enclosure."""
    return INSIDE in os.environ


def enter() -> int:
    """Start this program again inside; its exit status. StageError says what the machine does not allow."""
    command = UNSHARE if os.geteuid() == 0 else (*UNSHARE, "--user", "--map-root-user")
    verify_allowed(command)
    words = [*command, sys.executable, "-m", "demo"]
    path = f"{os.environ.get('PATH', os.defpath)}:{Path(sys.executable).parent}"  # where warren is installed
    inner = subprocess.Popen(words, stdin=subprocess.PIPE, env=os.environ | {INSIDE: "1", "PATH": path})
    try:
        return inner.wait()
    except KeyboardInterrupt:
        return 130


def verify_allowed(command: tuple[str, ...]) -> None:
    """StageError unless namespaces can be made here and hold a TUN."""
    try:
        done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise StageError("the program unshare (Debian: util-linux) is not installed") from error
    if done.returncode != 0:
        raise StageError(
            f"this user may not make network namespaces ({done.stderr.strip()}): run `make demo` as root, "
            "or allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
        )
    if not TUN.exists():
        raise StageError(f"{TUN} is absent: load the module with `modprobe tun`, or give it to the container")
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise StageError(f"this user may not open {TUN}: run `make demo` as root, or `chmod 666 {TUN}` as root")


def settle() -> None:
    """Inside: end with the process outside, and give `ip netns` and the UAPI sockets a private /run."""
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for directory in ("netns", "wireguard"):
        Path("/run", directory).mkdir()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
