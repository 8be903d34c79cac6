"""Which classes the images of a shard set have under a map."""

import numpy as np
import pytest
from shapes import LABELS, NUM_TEST, NUM_TRAIN, label_map

from granctl.errors import LabelsNotInMapError, NothingToLearnError, OtherImagesError
from granctl.train.labelling import label_images

NUM = 4 * NUM_TRAIN


def _labels_of(shards, labelling, split="train"):
    return np.array(shards.labels)[shards.rows(split).label[labelling.row]]


def test_only_present_classes_are_numbered(shards, leaves):
    """Five classes in the map, four in the images; the record keeps both numbers."""
    found = label_images(shards, "train", leaves)
    assert (found.num_classes, found.classes_total) == (4, 5)
    assert found.class_ids == LABELS
    assert (np.array(found.class_ids)[found.main_class] == _labels_of(shards, found)).all()
    assert found.images_of_class().tolist() == [NUM_TRAIN] * 4
    assert not found.multi_label


def test_a_label_with_several_classes_is_multi_hot(shards):
    """Its first class is the main one; an unused class between gets no number."""
    several = label_map([[3, 0], [3], [1], [1]], ("a", "b", "unused", "d"))
    found = label_images(shards, "train", several)
    assert found.class_ids == ("a", "b", "d")
    assert found.multi_label
    row_of_label = {LABELS[0]: [1, 0, 1], LABELS[1]: [0, 0, 1], LABELS[2]: [0, 1, 0]}
    hot = found.multi_hot(np.arange(NUM))
    for label, row in zip(_labels_of(shards, found), hot.tolist(), strict=True):
        assert row == row_of_label.get(label, [0, 1, 0])
    assert found.images_of_class().tolist() == [NUM_TRAIN, 2 * NUM_TRAIN, 2 * NUM_TRAIN]
    first = found.main_class[_labels_of(shards, found) == LABELS[0]]
    assert set(first.tolist()) == {2}


def test_labels_dropped_by_the_cut_are_left_out_and_counted(shards):
    """A label without a class is no error."""
    found = label_images(shards, "train", label_map([[0], [], [1], [1]], ("a", "b")))
    assert (len(found), found.dropped) == (3 * NUM_TRAIN, NUM_TRAIN)
    assert LABELS[1] not in _labels_of(shards, found)


def test_held_out_images_take_the_numbers_of_training(shards):
    """A class that training did not have does not shift the others."""
    labels = label_map([[0], [1], [2], [3]], ("a", "b", "c", "d"))
    found = label_images(shards, "test", labels, ("b", "d"))
    assert found.class_ids == ("b", "d")
    assert (len(found), found.dropped) == (2 * NUM_TEST, 2 * NUM_TEST)
    numbers = dict(zip(_labels_of(shards, found, "test").tolist(), found.main_class, strict=True))
    assert numbers == {LABELS[1]: 0, LABELS[3]: 1}


def test_a_part_keeps_the_classes(shards, leaves):
    """Numbers stay those of the whole."""
    part = label_images(shards, "train", leaves).only(np.array([5, 2]))
    assert part.class_ids == LABELS
    assert part.row.tolist() == [5, 2]


def test_a_label_that_the_map_lacks(shards):
    """Says which, how many images, and the list of the map."""
    short = label_map([[0], [0]], ("a",), labels=LABELS[:2], params={"list": "short-list"})
    with pytest.raises(LabelsNotInMapError) as caught:
        label_images(shards, "train", short)
    assert LABELS[3] in caught.value.message
    assert f"{2 * NUM_TRAIN} images" in caught.value.message
    assert "short-list" in caught.value.message


def test_a_map_without_classes_for_any_image(shards):
    """Nothing to learn is said before anything is made."""
    with pytest.raises(NothingToLearnError):
        label_images(shards, "train", label_map([[], [], [], []], ("a",)))


def test_a_map_keyed_by_image_gives_each_image_its_class(shards):
    """Looked up by checksum, whatever the order of the map."""
    sums = [c.decode() for c in shards.checksums("train")]
    order = np.random.default_rng(0).permutation(NUM)
    wanted = np.arange(NUM) % 3
    labels = label_map(
        [[int(wanted[i])] for i in order],
        ("x", "y", "z"),
        labels=tuple(sums[i] for i in order),
        keyed_by="image",
    )
    assert label_images(shards, "train", labels).main_class.tolist() == wanted.tolist()
    with pytest.raises(OtherImagesError) as caught:
        label_images(shards, "test", labels)
    assert f"{4 * NUM_TEST} of {4 * NUM_TEST} images" in caught.value.message
