"""Warren: WireGuard tunnels, from an engine in Rust that Python operates.

import warren

with warren.up("wg0.conf") as tunnel:
    print(tunnel.status())
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warren._core import PresharedKey, PrivateKey, PublicKey, __version__
    from warren.errors import WarrenError
    from warren.node import Node
    from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig
    from warren.tunnel.io.in_process import Tunnel, up

__all__ = [
    "Endpoint",
    "InterfaceConfig",
    "Node",
    "PeerConfig",
    "PresharedKey",
    "PrivateKey",
    "PublicKey",
    "Tunnel",
    "WarrenError",
    "__version__",
    "up",
]

MODULES = {
    "Endpoint": "warren.tunnel.config",
    "InterfaceConfig": "warren.tunnel.config",
    "Node": "warren.node",
    "PeerConfig": "warren.tunnel.config",
    "PresharedKey": "warren._core",
    "PrivateKey": "warren._core",
    "PublicKey": "warren._core",
    "Tunnel": "warren.tunnel.io.in_process",
    "WarrenError": "warren.errors",
    "__version__": "warren._core",
    "up": "warren.tunnel.io.in_process",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use: every module imports this package, and few need all names."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(MODULES[name]), name)
