"""What the images of a shard set are like, by its index alone: labels, bytes, sizes, remarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.shards.build.structure import Remark
from granctl.shards.columns import numbers_of, places_of, text_column
from granctl.shards.index import ShardSet
from granctl.shards.indexfile import IndexGroups

_KINDS = {"size": np.int32, "width": np.int32, "height": np.int32, "remarks": np.uint8}
_COLUMNS = ("label", *_KINDS)
_QUANTILES = {
    "min": 0.0,
    "q01": 0.01,
    "q05": 0.05,
    "q25": 0.25,
    "median": 0.5,
    "q75": 0.75,
    "q95": 0.95,
    "q99": 0.99,
    "max": 1.0,
}
_SIDE_BOUNDS = (0, 32, 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048, 4096)
"""Short sides are counted in these bins: around the sizes that networks are trained on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Census:
    """The images of one split in the order of the index; all arrays are (n,)."""

    labels: NDArray[np.int32]
    """Index into the labels of the set."""
    num_bytes: NDArray[np.int32]
    widths: NDArray[np.int32]
    """Pixels."""
    heights: NDArray[np.int32]
    remarks: NDArray[np.uint8]
    """`Remark` flags."""
    shards: NDArray[np.int32]
    """Number of the shard of each image."""
    rows: NDArray[np.int32]
    """Its place in the shard."""

    def __len__(self) -> int:
        return len(self.labels)


def read_census(shards: ShardSet) -> dict[str, Census]:
    """One pass over the index: split -> its images.

    Raises:
        ManifestMismatchError: the index is damaged.
    """
    groups = IndexGroups(shards.index_path)
    ours = text_column(shards.labels)
    found: dict[str, list[dict[str, NDArray[Any]]]] = {split: [] for split in shards.splits}
    for number, shard in enumerate(shards.manifest["shards"]):
        table = groups.rows(number, _COLUMNS)
        if not table.num_rows:
            continue
        try:
            labels = places_of(table["label"], ours)
            kept = np.flatnonzero(labels >= 0)
            columns = {name: numbers_of(table[name], kind)[kept] for name, kind in _KINDS.items()}
            pieces = found[shard["split"]]
        except (ValueError, KeyError) as error:
            problem = f"rows of {shard['name']} cannot be: {error}"
            hint = "see `granctl shards verify`"
            raise ManifestMismatchError(shards.index_path, problem, hint) from error
        columns |= {"shard": np.full(len(kept), number), "row": kept, "label": labels[kept]}
        pieces.append(columns)
    return {split: _joined(pieces) for split, pieces in found.items()}


def _joined(pieces: list[dict[str, NDArray[Any]]]) -> Census:
    def column(name: str, kind: type) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, kind), *(piece[name] for piece in pieces)]).astype(kind)

    return Census(
        labels=column("label", np.int32),
        num_bytes=column("size", np.int32),
        widths=column("width", np.int32),
        heights=column("height", np.int32),
        remarks=column("remarks", np.uint8),
        shards=column("shard", np.int32),
        rows=column("row", np.int32),
    )


def read_rows(
    shards: ShardSet, numbers: NDArray[np.int32], rows: NDArray[np.int32], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Some rows of the index, each by its shard and its place there, in this order.

    Raises:
        ManifestMismatchError: the index is damaged.
    """
    groups = IndexGroups(shards.index_path)
    found: list[dict[str, Any]] = [{} for _ in numbers]
    for number in np.unique(numbers).tolist():
        places = np.flatnonzero(numbers == number)
        taken = groups.rows(number, columns).take(rows[places])
        for place, record in zip(places.tolist(), taken.to_pylist(), strict=True):
            found[place] = record
    return found


def describe_images(census: Census) -> dict[str, Any]:
    """Bytes, sizes and remarks of the images of a split, as JSON types.

    bytes, width, height, short_side: total (of bytes), mean, and the least value that at least so
    large a share does not exceed, so always one that occurs. pixels: of all images. short_sides:
    how many images have a short side `from` to `to`. remarks: name -> images.
    """
    short = np.minimum(census.widths, census.heights)
    pixels = int((census.widths.astype(np.int64) * census.heights).sum())
    return {
        "bytes": {"total": int(census.num_bytes.sum(dtype=np.int64)), **summary(census.num_bytes)},
        "width": summary(census.widths),
        "height": summary(census.heights),
        "short_side": summary(short),
        "pixels": pixels,
        "short_sides": _bins(short),
        "remarks": remarks_in(census.remarks),
    }


def summary(values: NDArray[np.int32]) -> dict[str, float | int]:
    """Mean and quantiles.

    Example:
        >>> found = summary(np.array([5, 1, 3, 2], dtype=np.int32))
        >>> found["mean"], found["median"], found["max"]
        (2.75, 2, 5)
    """
    ordered = np.sort(values)
    n = len(ordered)
    quantiles = {name: int(ordered[max(ceil(q * n), 1) - 1]) for name, q in _QUANTILES.items()}
    return {"mean": float(ordered.mean(dtype=np.float64)), **quantiles}


def _bins(short: NDArray[np.int32]) -> list[dict[str, int | None]]:
    """Images with a short side in each bin, from the first that has some to the last."""
    bounds = [*_SIDE_BOUNDS, np.iinfo(np.int32).max]
    counts = np.histogram(short, bounds)[0].tolist()
    used = [i for i, num in enumerate(counts) if num]
    ends = [bound - 1 for bound in _SIDE_BOUNDS[1:]]
    rows = zip(_SIDE_BOUNDS, [*ends, None], counts, strict=True)
    return [{"from": a, "to": b, "images": n} for a, b, n in rows][used[0] : used[-1] + 1]


def remarks_in(flags: NDArray[np.uint8]) -> dict[str, int]:
    """How many images have each remark; those that none has are left out."""
    counts = {str(one.name).lower(): int((flags & one != 0).sum()) for one in Remark}
    return {name: num for name, num in counts.items() if num}


def images_of_labels(census: Census, num_labels: int) -> NDArray[np.int64]:
    """Shape (num_labels,): images of each label."""
    return np.bincount(census.labels, minlength=num_labels).astype(np.int64)


def images_of_classes(
    of_labels: NDArray[np.int64], classes: Mapping[str, Any]
) -> NDArray[np.int64]:
    """Shape (num_classes,): images of each class; an image counts in each of its classes.

    Args:
        of_labels: images of each label.
        classes: `classes` of a manifest.
    """
    found = np.zeros(classes["num_classes"], dtype=np.int64)
    lengths = np.array([len(ours) for ours in classes["of_label"]], dtype=np.int64)
    flat = np.array([one for ours in classes["of_label"] for one in ours], dtype=np.int64)
    np.add.at(found, flat, np.repeat(of_labels, lengths))
    return found
