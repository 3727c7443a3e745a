"""Check which key files a client of the control socket may name (H-33)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from warren.errors import KeyFileError
from warren.tunnel.network import NetworkConfig


def verify_key_paths(config: NetworkConfig, directories: Sequence[str]) -> None:
    """Check that every key file of `config` is below one of `directories`, by its path as written. Raises KeyFileError.

    No file is opened here: whoever opens one does not follow links.
    """
    for path in key_paths(config):
        if not any(_is_below(path, directory) for directory in directories):
            allowed = ", ".join(directories) or "none"
            problem = (
                f"network {config.name}: key file {path} is outside the key directories; expected one of: {allowed}"
            )
            raise KeyFileError(problem, code="key_file.not_allowed")


def key_paths(config: NetworkConfig) -> Iterator[str]:
    """Yield every key file that a network names."""
    yield config.private_key_path
    for peer in config.peers:
        if peer.preshared_key_path is not None:
            yield peer.preshared_key_path
    for _kind, proxy in config.proxies():
        if proxy.password_path is not None:
            yield proxy.password_path


def _is_below(path: str, directory: str) -> bool:
    parts, head = path.split("/"), directory.rstrip("/").split("/")
    return ".." not in parts and len(parts) > len(head) and parts[: len(head)] == head
