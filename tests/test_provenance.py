"""Identity: equal values have equal digests, different ones differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from granctl.provenance import canonical_json, digest, provenance, short


def test_digest_does_not_depend_on_key_order() -> None:
    """Two tables with the same content are the same thing."""
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (["ab"], ["a", "b"]),
        ({"a": "1"}, {"a": 1}),
        ({"no": "a b"}, {"no a": "b"}),
        ([[], 1], [[1]]),
    ],
)
def test_digest_tells_values_apart(a: object, b: object) -> None:
    """Fields cannot run into each other."""
    assert digest(a) != digest(b)


def test_canonical_json_writes_dataclasses_and_paths() -> None:
    """A spec is its fields; a path is its text; a tuple is an array."""

    @dataclass(frozen=True)
    class Spec:
        path: Path
        sizes: tuple[int, ...]

    assert canonical_json(Spec(Path("a/b"), (1, 2))) == b'{"path":"a/b","sizes":[1,2]}'


def test_canonical_json_refuses_what_has_no_form() -> None:
    """Neither NaN nor an unknown object slips into an identity."""
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))
    with pytest.raises(TypeError, match="no JSON form"):
        canonical_json(object())


def test_provenance_is_the_same_for_the_same_command() -> None:
    """No time and no host in the record, so equal commands give equal bytes."""
    assert provenance({"k": 1}, {"list": "ab"}) == provenance({"k": 1}, {"list": "ab"})
    assert len(short(digest(1))) == 12
