"""A cut whose identity is known before its classes are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from granctl.tree.cutname import cut_name
from granctl.tree.labelmap import KeyedBy, LabelMap

Fields = dict[str, Any]
"""The fields of a label map that a plan fixes: method, params, inputs, keyed_by, provenance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutPlan:
    """How a label map will be made, from what; `compute` makes it."""

    method: str
    params: dict[str, Any]
    inputs: dict[str, str]
    keyed_by: KeyedBy
    compute: Callable[[Fields], LabelMap]

    @property
    def digest(self) -> str:
        """The identity that the map will have."""
        return LabelMap.spec_digest(self.method, self.params, self.inputs, self.keyed_by)

    @property
    def name(self) -> str:
        """The cut in a word, as in file names."""
        return cut_name(self.method, self.params)
