"""Which images a contact sheet shows: classes and images by seed, read and made small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.shards.census import Census, images_of_labels, read_rows
from granctl.shards.index import Rows, ShardSet
from granctl.shards.order import permuted
from granctl.shards.read import ImageReader
from granctl.shards.thumbnails import thumbnail
from granctl.train.lookup import find_map
from granctl.tree.store import embedded_wordnet
from granctl.workspace import Workspace

MOST_TILES = 4000
"""A page of so many small pictures has about 20 MB, which a browser still opens at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetSpec:
    """What a contact sheet shows."""

    classes: int = 48
    """Most classes; which of them, the seed says."""
    images: int = 8
    """Most images of a class."""
    seed: int = 0

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        for option, value in (("--classes", self.classes), ("--images", self.images)):
            if value < 1:
                raise BadOptionError(option, f"{value} is below 1", "give 1 up")
        if self.classes * self.images > MOST_TILES:
            problem = f"{self.classes} classes of {self.images} images are too many for one page"
            hint = f"give fewer of either: at most {MOST_TILES:,} images together"
            raise BadOptionError("--classes", problem, hint)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """One image of the sheet."""

    key: str
    label: str
    split: str
    width: int
    height: int
    num_bytes: int
    remarks: int
    """`Remark` flags."""
    picture: tuple[bytes, int, int] | None
    """WebP, width, height; None: it does not decode."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetClass:
    """One class of the sheet."""

    number: int
    """As `.cls` has it."""
    name: str
    labels: Sequence[str]
    """Those that have images."""
    images: Mapping[str, int]
    """Of each split that has some."""
    tiles: Sequence[Tile]

    @property
    def num_images(self) -> int:
        """In all splits."""
        return sum(self.images.values())


def sheet_classes(
    workspace: Workspace,
    shards: ShardSet,
    found: Mapping[str, Census],
    spec: SheetSpec,
    progress: Progress,
) -> list[SheetClass]:
    """The classes that are shown, those with most images first, with their images made small.

    Raises:
        BadOptionError: more than a page can hold.
        ShardCorruptError: a shard is missing or has another size.
        GranctlError: the shards cannot be read.
    """
    spec.check()
    counts = {split: images_of_labels(one, len(shards.labels)) for split, one in found.items()}
    labels_of = _labels_of_classes(shards, np.sum(list(counts.values()), axis=0))
    chosen = _chosen(sorted(labels_of), spec)
    picked = _picked(found, labels_of, chosen, spec)
    tiles = iter(_tiles(shards, found, np.concatenate(picked), progress))
    name = _namer(workspace, shards)
    classes = [
        SheetClass(
            number=number,
            name=name(number, labels_of[number]),
            labels=[shards.labels[i] for i in labels_of[number]],
            images={s: n for s, one in counts.items() if (n := int(one[labels_of[number]].sum()))},
            tiles=[next(tiles) for _ in ours],
        )
        for number, ours in zip(chosen, picked, strict=True)
    ]
    return sorted(classes, key=lambda one: (-one.num_images, one.number))


def _labels_of_classes(shards: ShardSet, images: NDArray[np.int64]) -> dict[int, list[int]]:
    """Class -> its labels that have images."""
    found: dict[int, list[int]] = {}
    for label, classes in enumerate(shards.manifest["classes"]["of_label"]):
        for number in classes if images[label] else ():
            found.setdefault(number, []).append(label)
    return found


def _chosen(numbers: list[int], spec: SheetSpec) -> list[int]:
    if len(numbers) <= spec.classes:
        return numbers
    places = permuted(np.arange(spec.classes), len(numbers), spec.seed)
    return sorted(numbers[place] for place in places.tolist())


def _picked(
    found: Mapping[str, Census],
    labels_of: Mapping[int, Sequence[int]],
    chosen: Sequence[int],
    spec: SheetSpec,
) -> list[NDArray[np.int64]]:
    """Images of each class by chance: places in the splits one after another."""
    labels = np.concatenate([census.labels for census in found.values()])
    wanted = np.flatnonzero(np.isin(labels, [i for number in chosen for i in labels_of[number]]))
    picked = []
    for number in chosen:
        ours = wanted[np.isin(labels[wanted], labels_of[number])]
        num = min(spec.images, len(ours))
        by_chance = permuted(np.arange(num), len(ours), spec.seed, number + 1)
        picked.append(np.sort(ours[by_chance]))
    return picked


def _tiles(
    shards: ShardSet, found: Mapping[str, Census], picked: NDArray[np.int64], progress: Progress
) -> list[Tile]:
    """The images at these places, read in the order of the shards."""

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(census, name) for census in found.values()])[picked]

    split_of = np.repeat(np.arange(len(found)), [len(census) for census in found.values()])[picked]
    splits = list(found)
    columns = {n: column(n).tolist() for n in ("labels", "widths", "heights", "num_bytes")}
    remarks = column("remarks").tolist()
    numbers, places = column("shards"), column("rows")
    records = read_rows(shards, numbers, places, ["key", "offset", "size"])
    rows = Rows(
        shard=numbers,
        offset=np.array([record["offset"] for record in records], dtype=np.int64),
        size=np.array([record["size"] for record in records], dtype=np.int32),
        label=column("labels"),
    )
    order = np.lexsort((rows.offset, rows.shard))
    pictures: dict[int, tuple[bytes, int, int] | None] = {}
    progress.start("making small pictures", len(picked), "images")
    try:
        with ImageReader(shards) as reader:
            reader.prefetch(rows, order)
            for i in order.tolist():
                pictures[i] = thumbnail(reader.image(rows, i))
                progress.advance()
    finally:
        progress.finish()
    return [
        Tile(
            key=records[i]["key"],
            label=shards.labels[columns["labels"][i]],
            split=splits[int(split_of[i])],
            width=columns["widths"][i],
            height=columns["heights"][i],
            num_bytes=columns["num_bytes"][i],
            remarks=remarks[i],
            picture=pictures[i],
        )
        for i in range(len(picked))
    ]


def _namer(workspace: Workspace, shards: ShardSet) -> Callable[[int, Sequence[int]], str]:
    """Names classes for people: as the label map does, else as WordNet does, else by the label.

    It is called with the number of a class and its labels.
    """
    digest = shards.manifest["classes"]["labels_digest"]
    found = find_map(workspace, digest) if digest else None
    wordnet = embedded_wordnet()

    def name(number: int, labels: Sequence[int]) -> str:
        if found is not None:
            return found[1].class_names[number]
        if len(labels) > 1:
            return f"class {number:,}"
        label = shards.labels[labels[0]]
        node = wordnet.index_of.get(label)
        return label if node is None else wordnet.name(node)

    return name
