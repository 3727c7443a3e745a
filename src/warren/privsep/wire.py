"""Closed shapes of JSON between privileged and unprivileged processes: what is not in a shape is rejected."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Generic, TypeVar

from warren.errors import HostError, InputError, InterfaceError, KeyFileError, StateError, WarrenError

ERRORS = {kind.__name__: kind for kind in (HostError, InputError, InterfaceError, KeyFileError, StateError)}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How a value is written as JSON. `decode` raises ValueError for every other value."""

    encode: Callable[[T], object]
    decode: Callable[[object], T]


Fields = Mapping[str, Codec[Any]]


def encode_record(record: object, shape: Fields) -> dict[str, object]:
    """Return the members of a dataclass."""
    return {name: codec.encode(getattr(record, name)) for name, codec in shape.items()}


def decode_record(kind: type[T], shape: Fields, members: Mapping[str, object]) -> T:
    """Return the dataclass with these members. Raises ValueError if one is missing, unknown or invalid."""
    if members.keys() != shape.keys():
        raise ValueError("unexpected fields")
    return kind(**{name: codec.decode(members[name]) for name, codec in shape.items()})


def check_shape(kind: type[Any], shape: Fields) -> None:
    """Raise ValueError unless a shape has the fields of its dataclass."""
    if {field.name for field in fields(kind)} != shape.keys():
        raise ValueError(f"{kind.__name__}: the row and the class have different fields")


def error_members(error: WarrenError) -> dict[str, object]:
    """Return the members of an error; one of a class of its own travels as a HostError."""
    kind = next((name for name, kind in ERRORS.items() if type(error) is kind), HostError.__name__)
    return {"kind": kind, "problem": str(error), "code": error.code, "errno": error.errno, "hint": error.hint}


def parse_error(members: Mapping[str, object]) -> WarrenError:
    """Return the error of these members, which the privileged process wrote. Raises ValueError and KeyError."""
    number, kind = members["errno"], ERRORS.get(str(members["kind"]))
    if kind is None:
        raise ValueError("unknown kind of error")
    return kind(
        str(members["problem"]),
        code=str(members["code"]),
        errno=number if isinstance(number, int) else None,
        hint=str(members["hint"]),
    )


def text_codec(problems: Callable[[str], Iterable[object]] = lambda _: ()) -> Codec[str]:
    """Return the codec of a text in which `problems` finds none."""

    def decode(value: object) -> str:
        if not isinstance(value, str) or [*problems(value)]:
            raise ValueError("invalid text")
        value.encode()  # an unpaired surrogate is no text, and the system would not take it
        return value

    return Codec(lambda value: value, decode)


def parsed_codec(parse: Callable[[str], T]) -> Codec[T]:
    """Return the codec of what `parse` makes from a text: of an enumeration, or of an address."""

    def decode(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError("expected a text")  # noqa: TRY004, it is the text that is wrong
        return parse(value)

    return Codec(lambda value: value.value if isinstance(value, Enum) else str(value), decode)


def tuple_codec(item: Codec[T], least: int, most: int) -> Codec[tuple[T, ...]]:
    """Return the codec of a list of `least` to `most` items."""

    def decode(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise ValueError(f"expected a list of {least} to {most}")
        return tuple(item.decode(each) for each in value)

    return Codec(lambda value: [item.encode(each) for each in value], decode)


def _exactly(kind: type[T]) -> Codec[T]:
    """Return the codec of a JSON type; true is not a number."""

    def decode(value: object) -> T:
        if type(value) is not kind:
            raise ValueError(f"expected {kind.__name__}")
        return value

    return Codec(lambda value: value, decode)


def _decode_none(value: object) -> None:
    if value is not None:
        raise ValueError("expected nothing")


def _decode_octets(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("expected base64")  # noqa: TRY004, it is the text that is wrong
    return b64decode(value, validate=True)


def _decode_members(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("expected an object")  # noqa: TRY004, it is the text that is wrong
    return value


def _decode_error(value: object) -> WarrenError:
    try:
        return parse_error(_decode_members(value))
    except KeyError as error:
        raise ValueError("expected an error") from error


TEXT = text_codec()
NUMBER = _exactly(int)
FLAG = _exactly(bool)
NOTHING: Codec[None] = Codec(lambda _: None, _decode_none)
OCTETS: Codec[bytes] = Codec(lambda value: b64encode(value).decode(), _decode_octets)
MEMBERS: Codec[Mapping[str, object]] = Codec(dict, _decode_members)
ERROR: Codec[WarrenError] = Codec(error_members, _decode_error)
