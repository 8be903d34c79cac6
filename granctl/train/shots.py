"""Which labelled images of a target a transfer may use: the same for every source of a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from granctl.errors import TooFewImagesError
from granctl.shards.order import permuted
from granctl.train.labelling import Labelling


def few_of_each_class(
    labelling: Labelling, per_class: int, seed: int, draw: int = 0, option: str = "--per-class"
) -> NDArray[np.int64]:
    """Random images, `per_class` of each class by its main class; indices in rising order.

    More images a class contain the fewer of the same seed and draw.

    Args:
        labelling: the images to choose from.
        per_class: how many of each class.
        seed: which images.
        draw: which choice of the seed.
        option: that asked for so many, for the error.

    Raises:
        TooFewImagesError: a class has fewer.
    """
    num = len(labelling)
    rank = permuted(np.arange(num, dtype=np.int64), num, seed, draw)
    main_class = labelling.main_class
    order = np.lexsort((rank, main_class))
    counts = np.bincount(main_class, minlength=labelling.num_classes)
    # Where images have several classes, some classes are no image's first one.
    fewest = int(np.where(counts > 0, counts, num + 1).argmin())
    if counts[fewest] < per_class:
        problem = (
            f"class {labelling.class_names[fewest]} ({labelling.class_ids[fewest]}) has"
            f" {counts[fewest]} training images"
        )
        raise TooFewImagesError(option, per_class, problem, int(counts[fewest]))
    place = np.arange(num) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[place < per_class])
