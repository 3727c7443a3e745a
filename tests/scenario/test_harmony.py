"""Document 000 from its quick start to its troubleshooting, as a user types it: no `--root`, no flag of ours.

The host has /etc and /var/lib of its own, laid over the machine's, so that each path is the document's own.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns import engine
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host, address, join
from tests.netns.interface import Interface
from tests.netns.kernel import interface

from .agent import USER

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("socat", "curl", "ss")]
PROGRAM = "import sys; from warren.cli.main import main; sys.exit(main())"
UID = 650 if USER != "root" else 0  # of the user harmony-agent; in a user namespace there is nobody but root
LAID_OVER = ("/etc", "/var/lib")
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
    """Somebody at a shell on a host, with the document before them."""

    def __init__(self, host: Host, programs: Path) -> None:
        self.host = host
        program = programs / "harmony-agent"
        program.write_text(f"#!{sys.executable}\n{PROGRAM}\n")
        program.chmod(0o755)
        self.path = f"{programs}:{os.environ['PATH']}"
        for place in LAID_OVER:
            upper = Path("/run/over", place.strip("/").replace("/", "-"))
            self.types(f"mkdir -p {upper}/upper {upper}/work")
            options = f"lowerdir={place},upperdir={upper}/upper,workdir={upper}/work"
            self.types(f"mount -t overlay overlay -o {options} {place}")

    def attempts(self, line: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Types a line."""
        return self.host.attempt("sh", "-c", line, stdin=stdin, env={"PATH": self.path})

    def types(self, line: str, stdin: str = "") -> str:
        """What a line that works prints."""
        done = self.attempts(line, stdin)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def writes(self, path: str, text: str) -> None:
        """With an editor."""
        self.types(f"cat > {path}", stdin=text)

    def asks(self, request: str) -> dict[str, object]:
        """As the guide does."""
        line = f"echo '{request}' | socat - UNIX-CONNECT:/var/run/harmony-agent.sock"
        answer: dict[str, object] = json.loads(self.types(line))
        return answer


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Interface]:
    """The far side of the guide: stock WireGuard, 10.42.0.1 inside."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    with Host("core", tmp_path) as host:
        far = interface(host, engine.debian())
        far.up("10.42.0.1/16", "fd42:1::1/48", mtu=1420)
        yield far


@pytest.fixture
def user(core: Interface, tmp_path: Path) -> Iterator[User]:
    """After steps 1 and 2 of the quick start."""
    with Host("node", tmp_path) as host:
        join(host, core.host)
        address(host, "eth0", "192.0.2.1/24")
        address(core.host, "eth0", "192.0.2.2/24")
        user = User(host, tmp_path)
        user.types("useradd --system harmony-agent")
        user.types("mkdir -p /etc/harmony-agent")
        user.types(f"echo 'harmony-agent:x:{UID}:{UID}::/nonexistent:/usr/sbin/nologin' >> /etc/passwd")
        user.types(f"echo 'harmony-agent:x:{UID}:' >> /etc/group")
        user.types("echo '192.0.2.2 vpn.example.com' >> /etc/hosts")
        user.types("wg genkey > /etc/harmony-agent/private.key")
        user.types("chmod 600 /etc/harmony-agent/private.key")
        user.types("wg pubkey < /etc/harmony-agent/private.key > /etc/harmony-agent/public.key")
        text = CONFIG.format(core=core.keys.text).replace("51820", str(core.listen_port))
        user.writes("/etc/harmony-agent/config.toml", text)
        user.types("chmod 640 /etc/harmony-agent/config.toml")
        own = user.types("cat /etc/harmony-agent/public.key").strip()
        core.configure(f"[Peer]\nPublicKey = {own}\nAllowedIPs = 10.42.0.2/32\n", "addconf")
        yield user


@pytest.fixture
def started(user: User) -> User:
    """After step 3."""
    user.host.start(
        "sh",
        "-c",
        "exec harmony-agent start --config /etc/harmony-agent/config.toml --verbose",
        env={"PATH": user.path},
        log="agent",
    )
    until(lambda: user.attempts("harmony-agent status").returncode == 0, "harmony-agent is connected")
    return user


def test_the_quick_start(started: User) -> None:
    """Step 4, and what the guide says of files and modes."""
    assert "default" in started.types("harmony-agent status")
    assert "harmony_agent_active_peers" in started.types("curl -s http://localhost:9090/metrics")
    health = json.loads(started.types("curl -s http://localhost:9090/healthz"))
    assert set(health) >= {"status", "timestamp", "networks"}
    assert set(health["networks"]["default"]) == {"status", "state", "peerHealth", "handshakeRate"}
    socket = started.host.path("/run/harmony-agent.sock").stat()
    assert stat.S_IMODE(socket.st_mode) == 0o660
    assert "debug" in started.host.log()


def test_the_control_messages(started: User) -> None:
    status = started.asks('{"id":"2","action":"status","network":"default"}')
    assert status["success"]
    assert started.asks('{"id":"3","action":"disconnect","network":"default"}')["success"]
    assert started.attempts("harmony-agent status").returncode != 0
    assert started.attempts("ip link show wg0").returncode != 0
    assert started.asks('{"id":"1","action":"connect","network":"default"}')["success"]
    until(lambda: started.attempts("harmony-agent status").returncode == 0, "it is connected again")


def test_the_troubleshooting(started: User) -> None:
    """In the document's order; 1400 octets of echo do not fit, and ping says why (H-47)."""
    started.types("harmony-agent validate --config /etc/harmony-agent/config.toml")
    assert "mtu 1420" in started.types("ip link show wg0")
    assert "10.42.0.0/16 dev wg0" in started.types("ip route show")
    assert "fd42:1::/48 dev wg0" in started.types("ip -6 route show")
    until(lambda: started.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "10.42.0.1 answers")
    assert "0% packet loss" in started.types("ping -c 3 10.42.0.1")
    started.types("ping -M do -s 1392 -c 1 10.42.0.1")
    assert "mtu=1420" in (refused := started.attempts("ping -M do -s 1400 -c 1 10.42.0.1")).stdout + refused.stderr
    started.types("iptables -L -n || nft list ruleset")
    text = started.types("cat /etc/harmony-agent/config.toml")
    started.writes("/etc/harmony-agent/config.toml", f'{text}probe = "10.42.0.1"\n')
    started.types("harmony-agent reload")
    until(lambda: started.attempts("curl -s http://localhost:9090/metrics | grep peer_latency").stdout, "latency", 60)
    assert "10.100.0.2" in started.types("cat /etc/resolv.conf")


def test_the_counters_move(started: User) -> None:
    """Row H-62."""
    before = counter(started, "harmony_agent_bytes_transmitted_total")
    started.attempts("ping -c 3 -i 0.2 10.42.0.1")
    assert counter(started, "harmony_agent_bytes_transmitted_total") > before
    assert counter(started, "harmony_agent_active_peers") == 1
    assert counter(started, "harmony_agent_handshake_success_total") >= 1


def counter(user: User, name: str) -> float:
    """An unlabelled sample."""
    found = re.search(rf"^{name} (\S+)$", user.types("curl -s http://localhost:9090/metrics"), re.MULTILINE)
    assert found, name
    return float(found[1])


def test_the_key_rotation(started: User, core: Interface) -> None:
    """Row H-50, with the chmod that the recipe leaves out (H-51)."""
    started.types("umask 022; wg genkey > /etc/harmony-agent/new-private.key")
    text = started.types("cat /etc/harmony-agent/config.toml")
    started.writes("/etc/harmony-agent/config.toml", text.replace("private.key", "new-private.key"))
    refused = started.attempts("harmony-agent reload")
    assert "chmod 600 /etc/harmony-agent/new-private.key" in refused.stderr
    started.types("ping -c 1 -W 5 10.42.0.1")
    started.types("chmod 600 /etc/harmony-agent/new-private.key")
    new = started.types("wg pubkey < /etc/harmony-agent/new-private.key").strip()
    core.configure(f"[Peer]\nPublicKey = {new}\nAllowedIPs = 10.42.0.2/32\n", "addconf")
    started.types("harmony-agent reload")
    until(lambda: started.attempts("ping -c 1 -W 1 10.42.0.1").returncode == 0, "the new key works", 60)


def test_it_stops(started: User) -> None:
    started.types("harmony-agent stop")
    assert started.attempts("ip link show wg0").returncode != 0
    until(lambda: not started.host.path("/run/harmony-agent.sock").exists(), "its socket has gone")
    assert "10.100.0.2" not in started.attempts("cat /etc/resolv.conf").stdout
    assert started.types("harmony-agent version").startswith("harmony-agent ")
