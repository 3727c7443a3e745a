"""Which key files a client may name (H-33)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from warren.errors import KeyFileError, WarrenError
from warren.localapi.key_path_policy import verify_key_paths
from warren.localapi.messages import ErrorType, error_type
from warren.tunnel.network import NetworkConfig

from .simulator import config

pytestmark = [pytest.mark.unit, pytest.mark.security]

DIRECTORIES = ("/etc/warren/keys", "/etc/harmony-agent/")


def network(private: str, preshared: str | None = None) -> NetworkConfig:
    """A network with these key files."""
    plain = config()
    peers = tuple(replace(peer, preshared_key_path=preshared) for peer in plain.peers)
    return replace(plain, private_key_path=private, peers=peers)


@pytest.mark.parametrize(
    "path", ["/etc/warren/keys/a.key", "/etc/warren/keys/lab/a.key", "/etc/harmony-agent/private.key"]
)
def test_path_below_a_key_directory_is_allowed(path: str) -> None:
    verify_key_paths(network(path, path), DIRECTORIES)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/etc/warren/keys",
        "/etc/warren/keys.old/a.key",
        "/etc/warren/agent.toml",
        "/etc/warren//keys/a.key",
        "//etc/warren/keys/a.key",
    ],
)
def test_path_elsewhere_is_rejected(path: str) -> None:
    for each in (network(path), network("/etc/warren/keys/a.key", path)):
        with pytest.raises(KeyFileError) as error:
            verify_key_paths(each, DIRECTORIES)
        assert (error.value.code, error_type(error.value)) == ("key_file.not_allowed", ErrorType.PERMISSION)


def test_path_with_dot_dot_is_rejected() -> None:
    with pytest.raises(WarrenError):
        verify_key_paths(network("/etc/warren/keys/../../shadow"), DIRECTORIES)


def test_no_path_is_allowed_without_key_directories() -> None:
    with pytest.raises(KeyFileError, match="expected one of: none"):
        verify_key_paths(network("/etc/warren/keys/a.key"), ())
