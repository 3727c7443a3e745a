"""The files of vectors: what the verifier says to each command, and that they are what their script makes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.vectorfiles import BAD, DIRECTORY, GOOD, files
from tests.commands.vectors import BUNDLES, Vector
from tests.trust.parties import CONTEXT, ROOT
from warren.commands.registry import VERBS
from warren.commands.rejection import ProvenClaims, Rejected
from warren.commands.result import Status
from warren.commands.sealing import check_args
from warren.commands.verify import verify_command
from warren.trust.bundle_verify import verify_bundle

pytestmark = [pytest.mark.unit, pytest.mark.security]


def read(name: str) -> Any:
    return json.loads((DIRECTORY / name).read_text())


def vectors(name: str) -> list[Vector]:
    return [
        Vector(each["name"], each["command"], each["code"], each.get("here", {}), each.get("beside"))
        for each in read(name)
    ]


@pytest.mark.parametrize("name", ["parties.json", "good.json", "bad.json"])
def test_vector_files_are_up_to_date(name: str) -> None:
    assert (DIRECTORY / name).read_text() == files()[name]


@pytest.mark.parametrize("vector", vectors("good.json"), ids=lambda vector: vector.name)
def test_good_vector_is_accepted(vector: Vector) -> None:
    assert vector.code == "NONE"
    assert verify_command(vector.text, vector.context(), vector.beside).envelope == vector.text


@pytest.mark.parametrize("vector", vectors("bad.json"), ids=lambda vector: vector.name)
def test_bad_vector_is_rejected_with_its_code(vector: Vector) -> None:
    with pytest.raises(Rejected) as refused:
        verify_command(vector.text, vector.context(), vector.beside)
    assert (refused.value.code, refused.value.status) == (vector.code, Status.DENIED)
    assert str(refused.value)
    assert "secure" not in str(refused.value)
    if refused.value.proven.kid is None:
        assert refused.value.proven == ProvenClaims()


def test_vectors_are_sufficient_and_distinct() -> None:
    """The issue asks for sixty."""
    assert len(BAD) >= 60
    assert len({vector.name for vector in (*GOOD, *BAD)}) == len(GOOD) + len(BAD)
    assert len({json.dumps(vector.members() | {"name": ""}) for vector in BAD}) == len(BAD)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector.name)
def test_good_vectors_fit_the_registered_verbs(vector: Vector) -> None:
    command = verify_command(vector.text, vector.context(), vector.beside)
    verb = VERBS.get(command.verb, CONTEXT.verbs[command.verb])
    assert verb.read_only == CONTEXT.verbs[command.verb].read_only
    assert check_args(verb.schemas, command.args, command.transport) in verb.schemas


def test_verbs_with_secret_answers_require_an_intent() -> None:
    """docs/protocol/secrets.md: to whom else could it be sealed?"""
    assert [verb.name for verb in VERBS.values() if verb.secret_data and verb.read_only] == []
    assert any(verb.secret_data for verb in VERBS.values())


def test_bundles_of_the_vectors_are_signed_by_their_root() -> None:
    parties = read("parties.json")
    assert parties["node"]["roots"] == [ROOT.public.kid]
    for name, token in parties["bundles"].items():
        assert verify_bundle(token, parties["node"]["roots"]) == BUNDLES[name]
    assert CONTEXT.bundle == BUNDLES[parties["node"]["bundle"]]
