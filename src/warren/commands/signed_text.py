"""Signed texts that are read once: what depends on their octets alone, or on a key besides, is remembered.

A command is verified when it arrives and again when its turn comes. Its text is the same then, and what may have
changed is the trust bundle, the clock and the settings. So the text is parsed once, its claims are checked against
their shape once, and a signature that a key has verified is verified again for another key only: a key is compared by
its octets, a WebAuthn credential by its whole entry. Whether a key is trusted is asked each time, by the caller.

Nothing is remembered of a text that broke a rule. A signed text lives as long as its command is in memory, and is
never stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Generic, TypeVar

from warren.jws import Token, VerifyingKey, read, verify
from warren.trust.webauthn_assertion import Assertion, read_assertion, verify_assertion
from warren.trust.webauthn_key import WebauthnKey

Form = TypeVar("Form")
Key = TypeVar("Key")
Claims = TypeVar("Claims")


class SignedText(ABC, Generic[Form, Key, Claims]):
    """A text that is expected to be signed as a `typ`; `parse` returns the claims of its payload."""

    def __init__(self, text: str, typ: str, parse: Callable[[bytes], Claims]) -> None:
        self.text = text
        self.typ = typ
        self._parse = parse
        self._verified: tuple[Key, Claims] | None = None
        """The claims, and the key that has verified the signature over them."""

    @cached_property
    def form(self) -> Form:
        """Return what names the key; nothing of it is verified. Raises JwsError for a text that is malformed."""
        return self._read()

    def claims(self, key: Key) -> Claims:
        """Return the claims, of which this key has verified the signature.

        Raises:
            JwsError: it does not verify it.
            ValueError: the payload is malformed; raised by `parse`.
        """
        if self._verified is None or self._verified[0] != key:
            self._verified = None
            self._verified = key, self._parse(self._verify(key))
        return self._verified[1]

    @abstractmethod
    def _read(self) -> Form:
        """Check the form. Raises JwsError."""

    @abstractmethod
    def _verify(self, key: Key) -> bytes:
        """Return the payload, verified to be signed by this key. Raises JwsError."""


class SignedToken(SignedText[Token, VerifyingKey | None, Claims]):
    """A compact JWS. The key None is that of a signer who is not trusted: it verifies nothing."""

    def _read(self) -> Token:
        return read(self.text)

    def _verify(self, key: VerifyingKey | None) -> bytes:
        return verify(self.form, self.typ, {} if key is None else {self.form.kid: key})


class SignedAssertion(SignedText[Assertion, WebauthnKey, Claims]):
    """A payload that is signed by a WebAuthn credential."""

    def _read(self) -> Assertion:
        return read_assertion(self.text)

    def _verify(self, key: WebauthnKey) -> bytes:
        return verify_assertion(self.form, self.typ, key)
