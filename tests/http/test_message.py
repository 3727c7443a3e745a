"""Requests and answers of the local HTTP."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.http.message import HttpError, Request, json_response

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("target", "path", "netloc", "query"),
    [
        ("/healthz", "/healthz", "", {}),
        ("/healthz?format=text", "/healthz", "", {"format": "text"}),
        ("/healthz?format=json&format=text&empty=", "/healthz", "", {"format": "text"}),
        ("//rebound.example/healthz", "//rebound.example/healthz", "", {}),
        ("http://localhost:9090/healthz?format=text", "/healthz", "localhost:9090", {"format": "text"}),
        ("*", "*", "", {}),
        ("", "", "", {}),
    ],
)
def test_target_is_split_into_path_and_query(target: str, path: str, netloc: str, query: dict[str, str]) -> None:
    request = Request("GET", target)
    assert (request.split().path, request.split().netloc, request.query()) == (path, netloc, query)


@given(st.text())
def test_any_target_is_split_or_rejected(target: str) -> None:
    with suppress(HttpError):
        assert all(isinstance(value, str) for value in Request("GET", target).query().values())


@given(st.text())
def test_error_response_is_json_for_any_text(said: str) -> None:
    response = HttpError(404, "http.path", said).response
    assert json.loads(response.body)["error"]["code"] == "http.path"
    assert response.body.endswith(b"\n")


def test_response_forbids_caching_and_sniffing() -> None:
    headers = dict(json_response(200, {}).headers)
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
