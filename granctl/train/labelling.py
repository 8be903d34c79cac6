"""Which classes each training image has: a label map looked up for the images of a shard set.

A map may know more labels and classes than the images have. Training numbers the classes that are
present, 0 .. K-1 in the map's order, and the ids of the map stay in the record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.errors import LabelsNotInMapError, NothingToLearnError, OtherImagesError
from granctl.shards.index import ShardSet
from granctl.tree.labelmap import LabelMap


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelling:
    """The images of one split that have a class, and their classes; N images, K classes."""

    row: NDArray[np.int64]
    """Shape (N,): the image's row in the split."""
    key: NDArray[np.int64]
    """Shape (N,): the image's entry in the table below."""
    offsets: NDArray[np.int64]
    """Classes of entry k: `classes[offsets[k]:offsets[k + 1]]`, at least one where it is used;
    none where only a further map of several (`maps.py`) gives an image a class."""
    classes: NDArray[np.int64]
    """Numbers of present classes, in the map's order of each label; the first is the main one."""
    class_ids: tuple[str, ...]
    """The map's id of each present class."""
    class_names: tuple[str, ...]
    classes_total: int
    """Classes that the map knows."""
    labels_present: int
    """Labels (or image checksums) that occur."""
    dropped: int
    """Images of the split without a class: their label was dropped by the cut."""

    def __len__(self) -> int:
        return len(self.row)

    @property
    def num_classes(self) -> int:
        """Classes that some image has."""
        return len(self.class_ids)

    @property
    def multi_label(self) -> bool:
        """Whether any image has several classes."""
        return bool((np.diff(self.offsets)[self.key] > 1).any())

    @property
    def main_class(self) -> NDArray[np.int64]:
        """Shape (N,): the first class of each image."""
        return self.main_class_of(np.arange(len(self)))

    def main_class_of(self, images: NDArray[np.int64]) -> NDArray[np.int64]:
        """Shape (len(images),): the first class of each of these images.

        Args:
            images: indices into the N images.
        """
        return self.classes[self.offsets[self.key[images]]]

    def pairs(self, images: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Place in `images` and class of every class that these images have.

        Args:
            images: indices into the N images.
        """
        key = self.key[images]
        num = (self.offsets[key + 1] - self.offsets[key]).astype(np.int64)
        image = np.repeat(np.arange(len(images)), num)
        within = np.arange(num.sum()) - np.repeat(np.cumsum(num) - num, num)
        return image, self.classes[np.repeat(self.offsets[key], num) + within]

    def multi_hot(self, images: NDArray[np.int64]) -> NDArray[np.float32]:
        """Shape (len(images), K): 1 for each class that an image has.

        Args:
            images: indices into the N images.
        """
        hot = np.zeros((len(images), self.num_classes), dtype=np.float32)
        hot[self.pairs(images)] = 1.0
        return hot

    def images_of_class(self) -> NDArray[np.int64]:
        """Shape (K,): how many images have each class."""
        num_of_key = np.bincount(self.key, minlength=len(self.offsets) - 1)
        weights = np.repeat(num_of_key, np.diff(self.offsets))
        counts = np.bincount(self.classes, weights=weights, minlength=self.num_classes)
        return counts.astype(np.int64)

    def only(self, images: NDArray[np.int64]) -> Labelling:
        """The same classes over a part of the images, in the given order."""
        return Labelling(
            row=self.row[images],
            key=self.key[images],
            offsets=self.offsets,
            classes=self.classes,
            class_ids=self.class_ids,
            class_names=self.class_names,
            classes_total=self.classes_total,
            labels_present=self.labels_present,
            dropped=self.dropped,
        )


def label_images(
    shards: ShardSet, split: str, labels: LabelMap, class_ids: tuple[str, ...] | None = None
) -> Labelling:
    """Looks up the classes of every image of a split.

    Args:
        shards: the images.
        split: which of them.
        labels: keyed by label, or by the checksums of these very images.
        class_ids: number the classes as these (those of the training split); images that have
            none of them are dropped. None: the classes that are present.

    Raises:
        LabelsNotInMapError: an image has a label that the map does not know.
        OtherImagesError: the map is keyed by images, and of another shard set.
        NothingToLearnError: no image has a class.
    """
    key = keys_of(shards, split, labels)
    num_labels = len(labels.labels)
    label_of_entry = np.repeat(np.arange(num_labels), np.diff(labels.offsets))
    if class_ids is None:
        used = np.bincount(key, minlength=num_labels) > 0
        present = np.unique(labels.classes[used[label_of_entry]])
    else:
        index_of_id = {name: i for i, name in enumerate(labels.class_ids)}
        present = np.array([index_of_id[name] for name in class_ids], dtype=np.int64)
    number_of_class = np.full(labels.num_classes, -1, dtype=np.int64)
    number_of_class[present] = np.arange(len(present))
    classes = number_of_class[labels.classes]
    kept = classes >= 0
    num_of_label = np.bincount(label_of_entry[kept], minlength=num_labels)
    row = np.flatnonzero((num_of_label > 0)[key])
    if not len(row):
        raise NothingToLearnError(shards.where, split, len(key))
    return Labelling(
        row=row,
        key=key[row],
        offsets=np.concatenate([[0], np.cumsum(num_of_label)]),
        classes=classes[kept],
        class_ids=tuple(labels.class_ids[i] for i in present),
        class_names=tuple(labels.class_names[i] for i in present),
        classes_total=labels.num_classes,
        labels_present=int(np.count_nonzero(np.bincount(key[row]))),
        dropped=len(key) - len(row),
    )


def keys_of(shards: ShardSet, split: str, labels: LabelMap) -> NDArray[np.int64]:
    """The map's row of each image of a split: shape (images of the split,).

    Raises:
        LabelsNotInMapError: an image has a label that the map does not know.
        OtherImagesError: the map is keyed by images, and of another shard set.
    """
    look_up = _keys_by_image if labels.keyed_by == "image" else _keys_by_label
    return look_up(shards, split, labels)


def _keys_by_label(shards: ShardSet, split: str, labels: LabelMap) -> NDArray[np.int64]:
    """The map's row of each image's label: shape (images of the split,)."""
    counts = shards.label_counts[split]
    missing = [
        (name, num)
        for name, num in zip(shards.labels, counts, strict=True)
        if num and name not in labels.index_of
    ]
    if missing:
        names, images = [name for name, _ in missing], sum(num for _, num in missing)
        list_name = str(labels.params.get("list", "that it was cut from"))
        raise LabelsNotInMapError(f"shard set {shards.where}", names, images, list_name)
    key_of_label = [labels.index_of.get(name, -1) for name in shards.labels]
    return np.array(key_of_label, dtype=np.int64)[shards.rows(split).label]


def _keys_by_image(shards: ShardSet, split: str, labels: LabelMap) -> NDArray[np.int64]:
    """The map's row of each image's checksum: shape (images of the split,)."""
    ours = shards.checksums(split)
    known = np.array(labels.labels, dtype="S32")
    if len(known) == len(ours) and bool((known == ours).all()):
        return np.arange(len(ours))  # made of these very images: their order is that of the split
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known[order], ours).clip(max=len(known) - 1)
    key: NDArray[np.int64] = order[place].astype(np.int64)
    unknown = int((known[key] != ours).sum())
    if unknown:
        raise OtherImagesError(shards.where, split, unknown, len(ours))
    return key
