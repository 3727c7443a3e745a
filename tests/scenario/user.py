"""Somebody at a shell on a host of a test, with the guide before them: every path is the document's own.

The host has some directories of its own, laid over the machine's, and Warren installed as a guide has it: the launcher
in /usr/local/bin, the environment that it starts as /usr/local/lib/warren.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import warren
from tests.netns.engine import launcher
from tests.netns.host import Host

from .agent import USER

LAID_OVER = ("/etc", "/var/lib", "/var/log", "/usr/local")
START = "harmony-agent start --config /etc/harmony-agent/config.toml"
# In a user namespace there is nobody but root.
MAKE_USER = "useradd --system harmony-agent" if USER != "root" else "echo harmony-agent:x:0:0::/: >> /etc/passwd"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CONFIG = """
[network.default]
enable_wireguard = true
interface = "wg0"
mtu = 1420
address = "10.42.0.2/32"
private_key_path = "/etc/harmony-agent/private.key"
dns = ["10.100.0.2"]

[[network.peers]]
name = "runbeam-core"
public_key = "{core}"
endpoint = "vpn.example.com:51820"
allowed_ips = ["10.42.0.0/16", "fd42:1::/48"]
persistent_keepalive_secs = 25
"""


class User:
    """At a host that has the program under a name."""

    def __init__(self, host: Host, name: str = "harmony-agent") -> None:
        self.host = host
        for place in (*LAID_OVER, *closed_directories()):
            upper = f"/run/over/{place.strip('/').replace('/', '-')}"
            self.types(f"mkdir -p {upper}/upper {upper}/work && chmod 755 {upper}/upper")
            options = f"lowerdir={place},upperdir={upper}/upper,workdir={upper}/work"
            self.types(f"mount -t overlay overlay -o {options} {place}")
        self.types(f"mkdir -p /usr/local/bin /usr/local/lib/warren && mount --bind {sys.prefix} /usr/local/lib/warren")
        self.types(f"cp {launcher()} /usr/local/bin/{name}")

    def attempts(self, line: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Types a line."""
        return self.host.attempt("sh", "-c", line, stdin=stdin, env={"PATH": PATH})

    def types(self, line: str, stdin: str = "") -> str:
        """What a line that works prints."""
        done = self.attempts(line, stdin)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def leaves_running(self, line: str) -> subprocess.Popen[bytes]:
        """Types a line in another window."""
        return self.host.start("sh", "-c", f"exec {line}", env={"PATH": PATH}, log="agent")

    def writes(self, path: str, text: str) -> None:
        """With an editor."""
        self.types(f"cat > {path}", stdin=text)

    def asks(self, request: str) -> dict[str, object]:
        """As the guide does."""
        line = f"echo '{request}' | socat - UNIX-CONNECT:/var/run/harmony-agent.sock"
        answer: dict[str, object] = json.loads(self.types(line))
        return answer


def closed_directories() -> Iterator[str]:
    """Directories on the way to Python and to Warren that other users may not enter: an installation has none."""
    seen = set()
    for path in (sys.prefix, sys.base_prefix, warren.__file__):
        for above in reversed(Path(path).resolve().parents):
            if above not in seen and not above.stat().st_mode & stat.S_IXOTH:
                seen.add(above)
                yield str(above)
