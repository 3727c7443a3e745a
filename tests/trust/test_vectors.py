"""The vectors of trust bundles: what a node does with each, and that the files are up to date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.trust.vectorfiles import DIRECTORY, files
from warren.errors import TrustError
from warren.trust.bundle_verify import parse_unverified, verify_bundle
from warren.trust.io.bundle_file import install_bundle, read_bundle

from .vectors import BAD, GOOD, WHOLE, TrustVector

pytestmark = [pytest.mark.unit, pytest.mark.security]


def vectors(name: str) -> list[TrustVector]:
    entries = json.loads((DIRECTORY / name).read_text())
    return [TrustVector(**(entry | {"pins": tuple(entry["pins"])})) for entry in entries]


def verified(vector: TrustVector) -> int:
    installed = verify_bundle(vector.installed, vector.pins) if vector.installed else None
    arguments = vector.text, vector.pins, vector.min_version
    return verify_bundle(*arguments, threshold=vector.threshold, installed=installed).version


@pytest.mark.parametrize("name", ["good.json", "bad.json"])
def test_trust_vector_files_are_up_to_date(name: str) -> None:
    assert (DIRECTORY / name).read_text() == files()[name]


@pytest.mark.parametrize("vector", vectors("good.json"), ids=lambda vector: vector.name)
def test_good_bundle_is_accepted(vector: TrustVector) -> None:
    assert verified(vector) == parse_unverified(vector.text).version


@pytest.mark.parametrize("vector", vectors("bad.json"), ids=lambda vector: vector.name)
def test_bad_bundle_is_rejected_with_its_code(vector: TrustVector) -> None:
    with pytest.raises(TrustError) as refused:
        verified(vector)
    assert refused.value.code == vector.code


def test_trust_vectors_are_distinct() -> None:
    assert len({vector.name for vector in (*GOOD, *BAD)}) == len(GOOD) + len(BAD)
    assert len({json.dumps(vector.members() | {"name": ""}) for vector in BAD}) == len(BAD)


def test_every_member_survives_signing() -> None:
    text = next(vector for vector in GOOD if vector.name == "every member").text
    assert verify_bundle(text, GOOD[0].pins) == WHOLE


@pytest.mark.parametrize("vector", [each for each in (*GOOD, *BAD) if each.installed], ids=lambda vector: vector.name)
def test_installation_holds_a_bundle_against_the_installed_one(vector: TrustVector, tmp_path: Path) -> None:
    path = tmp_path / "trust.jws"
    install_bundle(path, vector.installed, vector.pins)
    if vector.code == "NONE":
        assert install_bundle(path, vector.text, vector.pins) == parse_unverified(vector.text)
        return
    with pytest.raises(TrustError) as refused:
        install_bundle(path, vector.text, vector.pins)
    assert refused.value.code == vector.code
    assert read_bundle(path, vector.pins) == parse_unverified(vector.installed)
