"""What a label map says about labels, as plain values: rooms below never see the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassLookup:
    """Label -> classes, and where that comes from."""

    digest: str
    """Identity of the label map."""
    class_of: Mapping[str, tuple[int, ...]]
    """Label -> its classes, the first one first; an empty tuple: the cut drops the label."""
    num_classes: int
    list_name: str
    """The label list that the map is over, for messages."""
