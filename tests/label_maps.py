"""Label maps of the six labels of the generated images, written for a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from generated_images import LABELS

from granctl.tree.labelmap import LabelMap

Classes = Sequence[int | Sequence[int]]


def write_map(
    path: Path, classes: Classes, labels: Sequence[str] = LABELS, num_classes: int | None = None
) -> Path:
    """A map in which label i has the class or the classes `classes[i]`; an empty list drops it."""
    rows = [[one] if isinstance(one, int) else list(one) for one in classes]
    flat = [number for row in rows for number in row]
    num = num_classes or max(flat, default=0) + 1
    LabelMap(
        labels=tuple(labels),
        offsets=np.cumsum([0, *map(len, rows)]).astype(np.int64),
        classes=np.array(flat, dtype=np.int32),
        class_ids=tuple(f"class-{i}" for i in range(num)),
        class_names=tuple(f"class {i}" for i in range(num)),
        method="toy",
        params={"list": "toy-list", "rows": rows, "labels": list(labels)},
    ).write(path)
    return path
