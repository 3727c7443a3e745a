"""A stranger signs: docs/protocol/envelope.md in sh and OpenSSL, with nothing of ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.commands.vectorfiles import DIRECTORY
from tests.trust.parties import CONTEXT
from warren.commands.verify import verify_command

pytestmark = [pytest.mark.integration, pytest.mark.needs("openssl", "basenc")]

SCRIPT = r"""
set -eu
base64url() { basenc --base64url -w0 | tr -d =; }
# RFC 8410: an Ed25519 private key in PKCS #8 is 16 fixed octets and the seed.
key() {
  printf 302E020100300506032B657004220420 | basenc --base16 -d > "$2"
  printf '%s=' "$1" | basenc --base64url -d >> "$2"
}
public() { openssl pkey -inform DER -in "$1" -pubout -outform DER | tail -c 32 | base64url; }
thumbprint() {
  printf '{"crv":"Ed25519","kty":"OKP","x":"%s"}' "$(public "$1")" | openssl dgst -sha256 -binary | base64url
}
token() { # KEY TYP PAYLOAD
  header=$(printf '{"alg":"Ed25519","typ":"%s","kid":"%s"}' "$2" "$(thumbprint "$1")" | base64url)
  printf '%s.%s' "$header" "$(printf %s "$3" | base64url)" > input
  openssl pkeyutl -sign -rawin -keyform DER -inkey "$1" -in input -out signature
  printf '%s.%s' "$(cat input)" "$(base64url < signature)"
}
key "$ALICE" alice.der
key "$DISPATCHER" dispatcher.der
args='{"container_id":"0123456789ab"}'
intent=$(token alice.der warren-intent+jws \
  '{"format":1,"cluster":"office","bundle_min":1,"verb":"stop_container","args":'$args',"targets":["'$NODE'"],"corr_id":"of-a-stranger",'\
'"iat":'$NOW',"exp":'$((NOW + 600))'}')
token dispatcher.der warren-cmd+jws \
  '{"format":1,"cluster":"office","corr_id":"of-a-stranger","verb":"stop_container","args":'$args',"actor":{"id":"alice","role":"ADMIN"},'\
'"policy_id":"policy-2026-01","nonce":"0123456789abcdef","iat":'$NOW',"exp":'$((NOW + 60))','\
'"agent_targets":["'$NODE'"],"transport":"local","sid":"'$SID'","intent":"'$intent'"}'
"""


def test_command_signed_with_openssl_is_accepted(tmp_path: Path) -> None:
    parties = json.loads((DIRECTORY / "parties.json").read_text())
    node, seeds = parties["node"], parties["seeds"]
    env = {"PATH": "/usr/bin:/bin", "ALICE": seeds["alice"], "DISPATCHER": seeds["dispatcher"]}
    env |= {"NODE": node["agent_id"], "SID": node["sid"], "NOW": str(node["now"])}
    done = subprocess.run(["sh", "-c", SCRIPT], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    command = verify_command(done.stdout, CONTEXT)
    assert (command.corr_id, command.verb, command.has_intent) == ("of-a-stranger", "stop_container", True)
