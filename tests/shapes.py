"""Small grey images of four clothes that a tiny network can tell apart, and a tiny recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

LABELS = ("n03595614", "n04133789", "n04197391", "n04489008")
"""Wnids of jersey, sandal, shirt and trouser, sorted."""
NUM_TRAIN, NUM_TEST = 12, 5

TINY_RECIPE = """
about = "for tests"
epochs = 4
batch_size = 10
model = { name = "small-resnet", width = 4, stages = [1.0, 2.0] }
input = { resolution = 8 }
optimizer = { name = "adamw", lr = 0.02 }
augment = { kind = "shift", pad = 1, flip = false }
[finetune]
steps = 12
batch_size = 8
optimizer = { name = "adamw", lr = 0.01 }
[scratch]
steps = 12
batch_size = 8
optimizer = { name = "adamw", lr = 0.02 }
[linear]
steps = 30
batch_size = 16
optimizer = { name = "adamw", lr = 0.05 }
"""


def write_shapes(root: Path) -> Path:
    """root/train/LABEL/00.png ...: 8 x 8 pixels, one bright quarter a label, and noise."""
    for i, label in enumerate(LABELS):
        for split, num in (("train", NUM_TRAIN), ("test", NUM_TEST)):
            folder = root / split / label
            folder.mkdir(parents=True)
            for j in range(num):
                rng = np.random.default_rng([i, j, num])
                pixels = rng.integers(0, 120, (8, 8), dtype=np.uint8)
                pixels[4 * (i // 2) :, :][:4, 4 * (i % 2) :][:, :4] += 120
                Image.fromarray(pixels).save(folder / f"{j:02}.png")
    return root


def build_shapes(root: Path) -> Path:
    """The shard set of the shapes."""
    source = write_shapes(root / "shapes")
    return build_shards(Workspace(root), BuildSpec(source=str(source)), None, Silent()).path


def label_map(classes_of: list[list[int]], class_ids: tuple[str, ...], **fields: Any) -> LabelMap:
    """A map of the four labels, or of `labels`, to classes."""
    params = {"list": "toy", "classes_of": classes_of, "class_ids": list(class_ids)}
    given = {"labels": LABELS, "method": "toy", "params": params, **fields}
    return LabelMap(
        offsets=np.cumsum([0, *map(len, classes_of)]),
        classes=np.array([c for row in classes_of for c in row], dtype=np.int32),
        class_ids=class_ids,
        class_names=class_ids,
        **given,
    )
