"""Keys, identities and bundles in files."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trust.parties import BUNDLE, NEXT_ROOT, ROOT
from warren.errors import KeyFileError, TrustError
from warren.trust.bundle_verify import sign_bundle
from warren.trust.io.bundle_file import install_bundle, read_bundle
from warren.trust.io.identity_file import FILE, make_identity, read_identity
from warren.trust.io.keyset_file import make_keyset, read_keyset

pytestmark = [pytest.mark.integration, pytest.mark.security]

PINS = (ROOT.public.kid,)


def test_make_identity_creates_file_once_with_mode_0600(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "identity"
    made = make_identity(directory, "gateway-001")
    assert stat.S_IMODE((directory / FILE).stat().st_mode) == 0o600
    again = read_identity(directory)
    assert again.document() == made.document()
    assert again.signing.public == made.signing.public
    with pytest.raises(TrustError) as refused:
        make_identity(directory, "gateway-001")
    assert refused.value.code == "identity.exists"
    assert read_identity(directory).document() == made.document()


def test_read_identity_reports_missing_identity(tmp_path: Path) -> None:
    with pytest.raises(TrustError) as refused:
        read_identity(tmp_path)
    assert refused.value.code == "identity.missing"


@pytest.mark.parametrize("name", ["gateway.001", "", "a b", "x" * 65, "../up"])
def test_make_identity_rejects_invalid_node_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrustError, match="invalid node name"):
        make_identity(tmp_path, name)
    assert not (tmp_path / FILE).exists()


def test_read_identity_rejects_file_open_to_others(tmp_path: Path) -> None:
    make_identity(tmp_path, "gateway-001")
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(KeyFileError, match="accessible to other users"):
        read_identity(tmp_path)


def test_read_keyset_rejects_symlink(tmp_path: Path) -> None:
    make_keyset(tmp_path / "keys", "alice")
    (tmp_path / "link").symlink_to("keys")
    with pytest.raises(KeyFileError):
        read_keyset(tmp_path / "link")


@pytest.mark.parametrize("text", ["", "{}", "{", '{"id": "a", "keys": []}', '{"id": "a", "id": "a", "keys": []}'])
def test_read_keyset_rejects_file_without_keys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(TrustError, match="holds no keys"):
        read_keyset(path)


def test_read_keyset_rejects_mismatched_public_key(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_keyset(tmp_path / name, name)
    one, two = ((tmp_path / name).read_text() for name in ("one", "two"))
    mixed = one.replace(read_keyset(tmp_path / "one").signing.public.x, read_keyset(tmp_path / "two").signing.public.x)
    assert mixed not in {one, two}
    (tmp_path / "one").write_text(mixed)
    with pytest.raises(TrustError, match="x is not the public key of d"):
        read_keyset(tmp_path / "one")


def test_make_keyset_of_root_has_no_sealing_key_and_keeps_existing_file(tmp_path: Path) -> None:
    assert make_keyset(tmp_path / "root", "root", sealing=False).sealing is None
    with pytest.raises(KeyFileError, match="already exists"):
        make_keyset(tmp_path / "root", "root", sealing=False)


def test_install_bundle_rejects_lower_version(tmp_path: Path) -> None:
    path = tmp_path / "state" / "trust.jws"
    assert not path.exists()
    assert read_bundle(path, PINS) is None
    older, newer = sign_bundle(BUNDLE, ROOT), sign_bundle(replace(BUNDLE, version=8), ROOT)
    assert install_bundle(path, older, PINS).version == 7
    assert install_bundle(path, newer, PINS).version == 8
    with pytest.raises(TrustError, match="version 7 is lower than the known version 8"):
        install_bundle(path, older, PINS)
    installed = read_bundle(path, PINS)
    assert installed
    assert installed.version == 8
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert sorted(each.name for each in path.parent.iterdir()) == ["trust.jws", "trust.jws.version"]


def test_read_bundle_rejects_lower_version_copied_into_place(tmp_path: Path) -> None:
    path = tmp_path / "trust.jws"
    install_bundle(path, sign_bundle(replace(BUNDLE, version=8), ROOT), PINS)
    path.write_text(sign_bundle(BUNDLE, ROOT))
    with pytest.raises(TrustError, match="version 7 is lower than the known version 8"):
        read_bundle(path, PINS)


def test_install_bundle_rejects_unpinned_root(tmp_path: Path) -> None:
    path = tmp_path / "trust.jws"
    with pytest.raises(TrustError):
        install_bundle(path, sign_bundle(replace(BUNDLE, roots=(NEXT_ROOT.public,)), NEXT_ROOT), PINS)
    assert list(tmp_path.iterdir()) == []
