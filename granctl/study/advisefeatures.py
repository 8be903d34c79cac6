"""Features of source and target as a probe takes them: rows in the order of their images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, FeaturesNotFiniteError, FeaturesOfOthersError
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.study.adviseevidence import TRAIN
from granctl.train.targets import Target

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """Features of the training images, each column with mean 0 and deviation 1 over the source."""

    source: Matrix
    """Shape (n, d)."""
    target: Matrix | None
    """Shape (m, d); None: the same images."""
    digests: tuple[str, ...]
    """Of the files."""


def seen_by_network(
    source: ShardSet, target: Target, features: Path | None, target_features: Path | None
) -> Seen | None:
    """Reads the features that a probe wants; None where none were given.

    Raises:
        BadOptionError: features of the target are missing, needless, or of another network.
        FeaturesOfOthersError: they lack training images.
        GranctlError: a file is missing or damaged.
    """
    if features is None:
        return None
    ours = Features.read(features)
    rows = rows_of_images(ours, features, source, "--features")
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1)
    same = source.digest == target.shards.digest
    if same or target_features is None:
        if not same:
            problem = f"the images of {target.name} are not the source's"
            hint = "embed them with the same network:"
            hint += f" `granctl embed --shards {target.shards.where}`"
            raise BadOptionError("--target-features", problem, hint)
        if target_features is not None:
            problem = "the target's images are the source's"
            raise BadOptionError("--target-features", problem, "leave it out")
        return Seen(source=(rows - mean) / scale, target=None, digests=(ours.digest,))
    theirs = Features.read(target_features)
    if theirs.run_digest != ours.run_digest:
        problem = f"{target_features} is of another network than {features}"
        raise BadOptionError("--target-features", problem, "embed both sets with one network")
    others = rows_of_images(theirs, target_features, target.shards, "--target-features")
    digests = (ours.digest, theirs.digest)
    return Seen(source=(rows - mean) / scale, target=(others - mean) / scale, digests=digests)


def rows_of_images(features: Features, path: Path, shards: ShardSet, option: str) -> Matrix:
    """The rows of a shard set's training images, in its order: float64 (n, d).

    Raises:
        FeaturesOfOthersError: some have none; `path` and `option` say which file that is.
        FeaturesNotFiniteError: a row holds NaN or infinity.
    """
    wanted = shards.checksums(TRAIN)
    order = np.argsort(features.checksums, kind="stable")
    place = np.searchsorted(features.checksums[order], wanted).clip(max=len(order) - 1)
    row = order[place]
    lacking = int((features.checksums[row] != wanted).sum())
    if lacking:
        raise FeaturesOfOthersError(path, shards.where, lacking, len(wanted), option)
    rows = np.asarray(features.matrix[row], dtype=np.float64)
    if len(bad := np.flatnonzero(~np.isfinite(rows).all(axis=1))):
        raise FeaturesNotFiniteError(path, len(bad), [wanted[i].decode() for i in bad[:3]])
    return rows
