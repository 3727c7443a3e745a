"""A server made by hand from document 002's recipe, with the engine as its client (row W-37)."""

from __future__ import annotations

from tests.netns.engine import Engine, kernel
from tests.netns.host import Host
from tests.netns.interface import Interface
from tests.netns.pair import OUTER
from tests.netns.traffic import BULK_BYTES, ping, reach, tcp_copy

SERVER, CLIENT = "10.0.0.1", "10.0.0.2"
# To the letter, but for the umask, without which everybody may read the key.
RECIPE = """
set -e
mkdir /run/server
cd /run/server
umask 077
wg genkey | tee server_private.key | wg pubkey
ip link add wg0 type wireguard
ip address add 10.0.0.1/24 dev wg0
wg set wg0 private-key server_private.key listen-port 51820
"""


def test_kernel_server_recipe(hosts: tuple[Host, Host], warren: Engine) -> None:
    """The recipe never sets the link up; nothing answers until that is done."""
    near, far = hosts
    kernel()
    server_key = far.run("sh", "-c", RECIPE).strip()
    assert far.run("stat", "-c", "%a", "/run/server/server_private.key").strip() == "600"

    client = Interface(near, warren)
    client.up(f"{CLIENT}/24")
    far.run("wg", "set", "wg0", "peer", client.keys.text, "allowed-ips", f"{CLIENT}/32")
    server = f"[Peer]\nPublicKey = {server_key}\nEndpoint = {OUTER['far'][0]}:51820\nAllowedIPs = 10.0.0.0/24\n"
    client.configure(server)
    assert ping(near, SERVER).returncode != 0

    far.ip("link", "set", "wg0", "up")
    reach(near, SERVER)
    reach(far, CLIENT)
    tcp_copy(near, far, SERVER, BULK_BYTES)
    tcp_copy(far, near, CLIENT, BULK_BYTES)
    seen = far.run("wg", "show", "wg0", "endpoints").split()
    assert seen == [client.keys.text, f"{OUTER['near'][0]}:{client.listen_port}"]
