"""The namespaces of the demo: private network, mounts and processes, so that nothing stays behind.

The kernel removes every interface, socket and daemon when the first process inside exits. That process exits when its
standard input is closed: after success, failure, Ctrl-C and kill -9 alike. Without root, a user namespace grants the
privileges.
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
    """Return whether this process is the first one in the namespaces."""
    return INSIDE in os.environ


def enter() -> int:
    """Start this program again inside the namespaces, and return its exit status.

    Raises:
        StageError: this host or user cannot create the namespaces.
    """
    command = UNSHARE if os.geteuid() == 0 else (*UNSHARE, "--user", "--map-root-user")
    check_host(command)
    words = [*command, sys.executable, "-m", "demo"]
    path = f"{os.environ.get('PATH', os.defpath)}:{Path(sys.executable).parent}"  # the directory of warren
    inner = subprocess.Popen(words, stdin=subprocess.PIPE, env=os.environ | {INSIDE: "1", "PATH": path})
    try:
        return inner.wait()
    except KeyboardInterrupt:
        return 130


def check_host(command: tuple[str, ...]) -> None:
    """Raise StageError unless namespaces and a TUN device can be created."""
    try:
        done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise StageError("unshare is not installed (Debian: util-linux)") from error
    if done.returncode != 0:
        raise StageError(
            f"this user cannot create network namespaces ({done.stderr.strip()}): run `make demo` as root, "
            "or allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"
        )
    if not TUN.exists():
        raise StageError(f"{TUN} does not exist: run `modprobe tun`, or add the device to the container")
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise StageError(f"this user cannot open {TUN}: run `make demo` as root, or `chmod 666 {TUN}` as root")


def set_up() -> None:
    """Exit with the process outside, and mount a private /run for `ip netns` and the UAPI sockets."""
    threading.Thread(target=_exit_with_parent, name="exit-with-parent", daemon=True).start()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for directory in ("netns", "wireguard"):
        Path("/run", directory).mkdir()


def _exit_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
