"""Which key files a client may name (H-33)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from warren.errors import KeyFileError
from warren.tunnel.network import NetworkConfig


def verify_confined(config: NetworkConfig, directories: Sequence[str]) -> None:
    """Raises KeyFileError where a key of `config` is not in or below one of `directories`, as its path is written.

    It looks at no file: links are for whoever opens it, without following them.
    """
    for path in key_paths(config):
        if not any(_is_below(path, directory) for directory in directories):
            where = ", ".join(directories) or "none"
            problem = f"network {config.name}: the key file {path} is in no directory of keys; expected one of: {where}"
            raise KeyFileError(problem, code="key_file.not_allowed")


def key_paths(config: NetworkConfig) -> Iterator[str]:
    """Every key file that a network names."""
    yield config.private_key_path
    for peer in config.peers:
        if peer.preshared_key_path is not None:
            yield peer.preshared_key_path


def _is_below(path: str, directory: str) -> bool:
    parts, head = path.split("/"), directory.rstrip("/").split("/")
    return ".." not in parts and len(parts) > len(head) and parts[: len(head)] == head
