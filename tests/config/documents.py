"""The TOML blocks of document 000: with keys of our own, and word for word where the documents are at hand."""

from __future__ import annotations

import re

from tests.project.conftest import ROOT
from tests.tunnel.strategies import PUBLIC_KEYS

KEYS = [str(key) for key in PUBLIC_KEYS]

QUICK_START = """[network.default]
enable_wireguard = true
interface = "wg0"
mtu = 1420
private_key_path = "/etc/harmony-agent/private.key"
dns = ["10.100.0.2"]

[[network.peers]]
name = "core"
public_key = "PEER_PUBLIC_KEY"
endpoint = "vpn.example.com:51820"
allowed_ips = ["10.42.0.0/16", "fd42:1::/48"]
persistent_keepalive_secs = 25
"""
SEVERAL = """[network.production]
enable_wireguard = true
interface = "wg0"
mtu = 1420
private_key_path = "/etc/harmony-agent/prod.key"
dns = ["10.0.0.1", "10.0.0.2"]

[[network.peers]]
name = "gateway-1"
public_key = "key-of-gateway-1="
endpoint = "gateway1.example.com:51820"
allowed_ips = ["10.42.0.0/16"]
persistent_keepalive_secs = 25

[[network.peers]]
name = "gateway-2"
public_key = "key-of-gateway-2="
endpoint = "gateway2.example.com:51820"
allowed_ips = ["10.43.0.0/16"]
persistent_keepalive_secs = 25

[network.staging]
enable_wireguard = true
interface = "wg1"
mtu = 1280
private_key_path = "/etc/harmony-agent/staging.key"
dns = ["10.1.0.1"]

[[network.staging.peers]]
name = "staging-gateway"
public_key = "key-of-staging="
endpoint = "staging.example.com:51820"
allowed_ips = ["10.50.0.0/16"]
"""
DNS_ALONE = '[network.default]\n# Use custom DNS servers\ndns = ["1.1.1.1", "8.8.8.8"]\n'
PEER_ALONE = '[[network.peers]]\n# Only these\nallowed_ips = ["10.42.0.0/16", "192.168.100.0/24"]\n'
TWO_ALONE = '[network.work]\ninterface = "wg0"\n# more\n\n[network.personal]\ninterface = "wg1"\n# more\n'


def blocks() -> list[str]:
    """The five blocks of the document itself, in its order; none where the documents are not at hand."""
    found = list((ROOT.parent / "shared" / "seeds").glob("000_*.txt"))
    return re.findall(r"```toml\n(.*?)```", found[0].read_text(), re.DOTALL) if found else []


OURS = [QUICK_START, SEVERAL, DNS_ALONE, PEER_ALONE, TWO_ALONE]
BOTH = list(zip(*filter(None, (OURS, blocks())), strict=True))
"""Each block in every wording that there is."""


def with_keys(text: str) -> str:
    """A block with keys in the places of its placeholders."""
    keys = iter(KEYS)
    return re.sub(r'(?<=^public_key = ").*(?="$)', lambda _: next(keys), text, flags=re.MULTILINE)
