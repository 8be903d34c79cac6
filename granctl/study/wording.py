"""Numbers as people read them: counts with their noun, fractions as per cent."""

from __future__ import annotations

NONE = "–"
"""Stands where there is no number: one seed has no deviation, a reference no difference."""


def per_cent(fraction: float, digits: int = 1) -> str:
    """A fraction as per cent: `0.8312` is `83.1 %`."""
    return f"{100 * fraction:.{digits}f} %"


def count(number: int, noun: str) -> str:
    """`1 seed`, `3 seeds`, `10 classes`."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
