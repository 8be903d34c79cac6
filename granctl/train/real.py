"""ImageNet-ReaL as a labelling of ImageNet-1k's validation images.

A prediction is right if the highest-scored class is any of the image's labels; images without a
label are left out (Beyer et al., Are we done with ImageNet?, arXiv:2006.07159, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import RealLabelsError, listing
from granctl.shards.index import ShardSet
from granctl.shards.origins import origins
from granctl.shards.source.real import RealLabels, read_real
from granctl.train.labelling import Labelling
from granctl.tree.labelmap import LabelMap

_NUMBER = re.compile(r"_val_(\d{8})(?:\.|$)")
"""In ILSVRC2012_val_00000001.JPEG: the place in the order of the file names, counted from 1."""
_MEND = "build the target's shards from the official release, whose files are ILSVRC2012_val_*.JPEG"


def real_labelling(
    shards: ShardSet,
    split: str,
    path: Path,
    labels: Sequence[str],
    target: LabelMap,
    class_ids: Sequence[str],
) -> Labelling:
    """The classes of each validation image by real.json; images without one are left out.

    Args:
        shards: ImageNet-1k, with the names of the images that it was built from.
        split: its validation images.
        path: real.json.
        labels: what its numbers count: the sorted labels of ImageNet-1k.
        target: the classes of each label.
        class_ids: classes are numbered as these; labels with none of them are left out.

    Raises:
        RealLabelsError: the file or the names of the images are others.
    """
    real = read_real(path, len(labels))
    entry = entries_of(origins(shards, split), len(real), path)
    number = {name: i for i, name in enumerate(class_ids)}
    classes_of = [
        [
            number[target.class_ids[c]]
            for c in (target.classes_of(label) if label in target.index_of else ())
            if target.class_ids[c] in number
        ]
        for label in labels
    ]
    lists = [_distinct(real, i, classes_of) for i in range(len(real))]
    sizes = np.array([len(one) for one in lists], dtype=np.int64)
    row = np.flatnonzero(sizes[entry] > 0)
    return Labelling(
        row=row,
        key=entry[row],
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        classes=np.array([c for one in lists for c in one], dtype=np.int64),
        class_ids=tuple(class_ids),
        class_names=tuple(target.class_names[i] for i in map(target.class_ids.index, class_ids)),
        classes_total=target.num_classes,
        labels_present=len(np.unique(entry[row])),
        dropped=len(entry) - len(row),
    )


def entries_of(names: Sequence[str], num: int, path: Path) -> NDArray[np.int64]:
    """The entry of real.json of each image, by the number in its file name: shape (len(names),).

    Args:
        names: paths of the images in the source.
        num: entries of the file.
        path: for messages.

    Raises:
        RealLabelsError: a name has no such number, or one beyond the entries.
    """
    found = [_NUMBER.search(name) for name in names]
    strange = [name for name, match in zip(names, found, strict=True) if match is None]
    if strange:
        problem = f"{len(strange)} images have no number of ILSVRC2012_val: {listing(strange)}"
        raise RealLabelsError(path, problem, _MEND)
    entry = np.array([int(match.group(1)) - 1 for match in found if match], dtype=np.int64)
    if len(entry) and not 0 <= entry.min() <= entry.max() < num:
        problem = f"it is about {num} images, and there is one of number {int(entry.max()) + 1}"
        raise RealLabelsError(path, problem, _MEND)
    return entry


def _distinct(real: RealLabels, i: int, classes_of: Sequence[Sequence[int]]) -> list[int]:
    """The classes of one entry, each once, in its order."""
    numbers = real.classes[real.offsets[i] : real.offsets[i + 1]].tolist()
    return list(dict.fromkeys(c for n in numbers for c in classes_of[n]))
