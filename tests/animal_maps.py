"""Maps of six labels, small enough to be compared by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from granctl.tree.labelmap import LabelMap

FINE = ("cat", "tiger", "dog", "oak", "elm", "rock")


def write_map(
    path: Path, class_of: Sequence[int], labels: Sequence[str] = FINE, keyed_by: str = "label"
) -> Path:
    """A map of these labels to classes `c0`, `c1` ...; -1 is no class."""
    ids = tuple(f"c{i}" for i in range(max(class_of) + 1))
    LabelMap.from_single(
        labels,
        np.array(class_of),
        class_ids=ids,
        class_names=tuple(f"name {i}" for i in ids),
        method="toy",
        params={"classes": list(class_of)},
        keyed_by=keyed_by,
    ).write(path)
    return path
