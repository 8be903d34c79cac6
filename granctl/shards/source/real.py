"""ImageNet-ReaL's real.json: for each validation image of ImageNet-1k, every class that is in it.

A list of 50,000 lists of class numbers, in the order of the file names of the validation images;
an empty list says that the annotators agreed on no class (Beyer et al., Are we done with
ImageNet?, arXiv:2006.07159).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import MissingInputError, RealLabelsError

REAL_NAME = "real.json"
_MEND = "fetch real.json of https://github.com/google-research/reassessed-imagenet again, as it is"


@dataclass(frozen=True, kw_only=True, eq=False)
class RealLabels:
    """The classes of image i are `classes[offsets[i]:offsets[i + 1]]`; perhaps none."""

    offsets: NDArray[np.int64]
    """Shape (images + 1,)."""
    classes: NDArray[np.int64]
    """Numbers in the sorted label list of ImageNet-1k."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def num_empty(self) -> int:
        """Images without a class."""
        return int((np.diff(self.offsets) == 0).sum())


def real_file(path: Path) -> Path:
    """The file itself, or real.json in a folder.

    Raises:
        MissingInputError: neither is there.
    """
    found = path / REAL_NAME if path.is_dir() else path
    if not found.is_file():
        raise MissingInputError(REAL_NAME, found, "fetch it, and name the file or its folder")
    return found


def read_real(path: Path, num_classes: int) -> RealLabels:
    """Reads real.json, or the folder that it lies in.

    Args:
        path: the file or its folder.
        num_classes: numbers go from 0 to one below this.

    Raises:
        MissingInputError: there is no such file.
        RealLabelsError: it is no list of lists of such numbers.
    """
    file = real_file(path)
    try:
        lists = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RealLabelsError(file, f"it is no JSON ({error})", _MEND) from error
    if not isinstance(lists, list) or not all(isinstance(one, list) for one in lists):
        raise RealLabelsError(file, "it is no list of lists", _MEND)
    flat = [number for one in lists for number in one]
    if not all(type(number) is int and 0 <= number < num_classes for number in flat):
        problem = f"it holds more than numbers from 0 to {num_classes - 1}"
        raise RealLabelsError(file, problem, _MEND)
    sizes = [len(one) for one in lists]
    return RealLabels(
        offsets=np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64),
        classes=np.array(flat, dtype=np.int64),
    )
