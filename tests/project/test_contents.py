"""No file of the tree ties it to one machine, holds a secret or has a name that says nothing."""

from __future__ import annotations

import base64
import os

import pytest

from checks.contents import places
from tests.project.conftest import Tree

pytestmark = [pytest.mark.security, pytest.mark.needs("git")]

KEY = base64.b64encode(os.urandom(32)).decode()


def test_tree_has_no_forbidden_content(tree: Tree) -> None:
    assert list(places(tree.root)) == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("planted.md", "https://" + "pypi" + ".org/simple", "planted.md:1: a registry's address"),
        ("planted.py", "\nX = '" + "/ho" + "me/me/warren'", "planted.py:2: a path of one machine"),
        ("planted.txt", "-----BEGIN EC PRIVATE" + " KEY-----", "planted.txt:1: a private key"),
        ("planted.conf", "PrivateKey = " + KEY, "planted.conf:1: a WireGuard secret"),
        ("planted.json", '{"preshared' + '_key": "' + KEY + '"}', "planted.json:1: a WireGuard secret"),
        ("planted.env", "AKIA" + "A" * 16, "planted.env:1: a token"),
        ("planted.rs", "// TO" + "DO: later", "planted.rs:1: work left open"),
        ("src/warren/utils.py", "", "src/warren/utils.py: a name that says nothing"),
        ("tests/server.pem", "", "tests/server.pem: a file that holds keys"),
    ],
    ids=lambda value: value.replace(KEY, "KEY"),
)
def test_planted_content_is_found(tree: Tree, path: str, text: str, found: str) -> None:
    tree.plant(path, text)
    assert list(places(tree.root)) == [found]
    assert tree.run("python", "-m", "checks.contents").returncode == 1


def test_public_key_and_placeholder_are_accepted(tree: Tree) -> None:
    tree.plant("planted.conf", f"PublicKey = {KEY}\nPrivateKey = (hidden)\n")
    assert list(places(tree.root)) == []
