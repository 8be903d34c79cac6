"""Several label maps that teach one head: which images, which outputs, which targets, what not."""

import numpy as np
import pytest
from shapes import LABELS, NUM_TRAIN, label_map

from granctl.errors import (
    BadOptionError,
    LabelsNotInMapError,
    NothingToLearnError,
    NotNestedError,
    SeveralClassesError,
)
from granctl.train.heads import own_scores
from granctl.train.labelling import label_images
from granctl.train.maps import Maps, further_digests
from granctl.train.objective import loss_kind

LEAVES = label_map([[0], [1], [2], [3]], ("a", "b", "c", "d"))
HALVES = label_map([[1], [1], [0], [0]], ("low", "high"))
SOME = label_map([[], [2], [2], [0]], ("x", "unused", "z"))
"""The first label has no class here."""


def _labels_of(shards, labelling):
    return np.array(shards.labels)[shards.rows("train").label[labelling.row]]


def _slow_targets(shards, labelling, maps):
    """Class ids of every image at each level, one at a time; None: no class."""
    rows = []
    for label in _labels_of(shards, labelling):
        found = [m.classes_of(str(label)).tolist() for m in maps]
        rows.append([m.class_ids[c[0]] if c else None for m, c in zip(maps, found, strict=True)])
    return rows


def _targets(labelling, head):
    table = head.target(labelling, np.arange(len(labelling)))
    ids = [part.class_ids for part in head.parts]
    return [[ids[i][c] if c >= 0 else None for i, c in enumerate(row)] for row in table.tolist()]


# --- levels ---------------------------------------------------------------------------------------


def test_levels_are_looked_up_in_one_table(shards):
    """Each image has its class at each level, or none; only present classes have an output."""
    maps = (LEAVES, HALVES, SOME)
    labelling, head = Maps(labels=LEAVES, also=maps[1:]).labelled(shards, "train")
    assert (len(labelling), labelling.num_classes) == (4 * NUM_TRAIN, 4)
    assert (head.sizes, head.num_outputs) == ([4, 2, 2], 8)
    assert head.class_ids == ("a", "b", "c", "d", "low", "high", "x", "z")
    assert _targets(labelling, head) == _slow_targets(shards, labelling, maps)
    assert head.weights == pytest.approx((1.0, 1.0, 4 / 3))
    assert head.table.shape == (4, 3)
    assert head.record()["maps"][2] == {
        "role": "also",
        "name": "toy",
        "labels_digest": SOME.digest,
        "classes_present": 2,
        "classes_total": 3,
        "images": 3 * NUM_TRAIN,
        "weight": pytest.approx(4 / 3),
    }


def test_images_with_a_class_at_any_level_teach(shards):
    """The first map drops a label that another one keeps; a third is dropped by all."""
    first = label_map([[0], [], [], [1]], ("a", "d"))
    other = label_map([[], [0], [], [0]], ("o",))
    labelling, head = Maps(labels=first, also=(other,)).labelled(shards, "train")
    assert set(_labels_of(shards, labelling)) == {LABELS[0], LABELS[1], LABELS[3]}
    assert (labelling.dropped, labelling.labels_present) == (NUM_TRAIN, 3)
    assert _targets(labelling, head) == _slow_targets(shards, labelling, (first, other))
    assert head.weights == pytest.approx((1.5, 1.5))
    assert labelling.images_of_class().tolist() == [NUM_TRAIN, NUM_TRAIN]
    part = labelling.only(np.arange(0, len(labelling), 5))
    assert _targets(part, head) == _targets(labelling, head)[::5]


def test_levels_over_lists_in_another_order_are_joined_by_label(shards):
    """And a list may hold more labels than the images have."""
    labels = ("n00000042", *LABELS[::-1])
    other = label_map([[0], [2], [2], [1], [1]], ("none", "p", "q"), labels=labels)
    labelling, head = Maps(labels=HALVES, also=(other,)).labelled(shards, "train")
    assert _targets(labelling, head) == _slow_targets(shards, labelling, (HALVES, other))
    assert head.sizes == [2, 2]


def test_levels_of_maps_keyed_by_image(shards):
    """Looked up by checksum; every image has a row of the table."""
    sums = [c.decode() for c in shards.checksums("train")]
    numbers = np.arange(len(sums))
    fields = {"labels": tuple(sums), "keyed_by": "image"}
    fine = label_map([[int(i)] for i in numbers % 6], tuple("uvwxyz"), **fields)
    coarse = label_map([[int(i)] if i else [] for i in numbers % 3], tuple("rst"), **fields)
    labelling, head = Maps(labels=fine, also=(coarse,)).labelled(shards, "train")
    found = np.array(_targets(labelling, head), dtype=object)
    assert found[:, 0].tolist() == [tuple("uvwxyz")[i % 6] for i in numbers]
    assert found[:, 1].tolist() == [tuple("rst")[i % 3] if i % 3 else None for i in numbers]


def test_scores_of_levels_are_those_of_the_first_block(shards):
    """The others teach and are not scored."""
    _, head = Maps(labels=HALVES, also=(LEAVES,)).labelled(shards, "train")
    logits = np.arange(12, dtype=np.float32).reshape(2, 6)
    ((found, which),) = own_scores(head, [(logits, np.array([3, 4]))])
    assert found.tolist() == [[0, 1], [6, 7]]
    assert which.tolist() == [3, 4]


# --- a coarse map and a finer one -----------------------------------------------------------------


def test_fine_classes_lie_in_the_coarse_classes_of_their_images(shards):
    """The head has the fine map's present classes; the target is the coarse class."""
    fine = label_map([[3], [0], [4], [4]], ("p", "q", "r", "s", "t"))
    labelling, head = Maps(labels=HALVES, fine=fine).labelled(shards, "train")
    assert head.class_ids == ("p", "s", "t")
    assert head.coarse_of_fine.tolist() == [1, 1, 0]
    assert labelling.class_ids == ("low", "high")
    target = np.array(["low", "high"])[head.target(labelling, np.arange(len(labelling)))]
    expected = ["high" if label in LABELS[:2] else "low" for label in _labels_of(shards, labelling)]
    assert target.tolist() == expected
    record = head.record()
    assert (record["outputs"], [m["role"] for m in record["maps"]]) == (3, ["labels", "fine"])


def test_scores_of_fine_classes_are_sums_of_coarse_probabilities(shards):
    """Two middling fine classes outweigh a likelier one of another coarse class."""
    _, head = Maps(labels=HALVES, fine=LEAVES).labelled(shards, "train")
    ((found, _),) = own_scores(head, [(np.array([[1.0, 1.0, 1.5, -9.0]], np.float32), np.zeros(1))])
    assert found.argmax(1).tolist() == [1]
    shares = np.exp(found) / np.exp(found).sum()
    e = np.exp([1.0, 1.0, 1.5, -9.0])
    assert shares[0].tolist() == pytest.approx([(e[2] + e[3]) / e.sum(), 2 * e[0] / e.sum()])


@pytest.mark.parametrize(
    ("coarse", "fine", "words"),
    [
        (HALVES, [[0], [1], [1], [2]], ("q (q) lies in low (low) and high (high)",)),
        (label_map([[0], [], [1], [1]], ("a", "b")), LEAVES, ("b (b) lies in none",)),
        (HALVES, [[0], [1], [], []], ("low (low) has no fine class",)),
        (LEAVES, [[0], [0], [0], [1]], ("p (p) lies in a (a) and b (b) and 1 more",)),
        (
            label_map([[0], [1], [], [1]], ("a", "b")),
            [[0], [0], [1], [2]],
            ("p (p) lies in a (a) and b (b)", "q (q) lies in none"),
        ),
    ],
)
def test_fine_classes_that_do_not_nest_are_refused(shards, coarse, fine, words):
    """Says which class, and that cuts must nest."""
    given = fine if fine is LEAVES else label_map(fine, ("p", "q", "r"))
    with pytest.raises(NotNestedError) as caught:
        Maps(labels=coarse, fine=given).labelled(shards, "train")
    for word in (*words, "--fine toy", "--labels toy"):
        assert word in caught.value.message
    assert "cuts that nest" in caught.value.hint
    assert ("has no fine class" in caught.value.message) == ("has no fine class" in words[0])


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({"labels": "several", "also": ("leaves",)}, ("loss levels", "--labels toy")),
        ({"labels": "leaves", "also": ("several",)}, ("loss levels", "--also toy")),
        ({"labels": "several", "fine": "leaves"}, ("loss marginal", "--labels toy")),
        ({"labels": "leaves", "fine": "several"}, ("loss marginal", "--fine toy")),
    ],
)
def test_a_map_with_several_classes_an_image_is_refused(shards, maps, words):
    """Names the option, the labels and the mend."""
    known = {"leaves": LEAVES, "several": label_map([[0, 1], [0], [1], [0, 1]], ("s", "t"))}
    given = {k: tuple(known[m] for m in v) if k == "also" else known[v] for k, v in maps.items()}
    with pytest.raises(SeveralClassesError) as caught:
        Maps(**given).labelled(shards, "train")
    for word in (*words, f"gives 2 labels several: {LABELS[0]}, {LABELS[3]}"):
        assert word in caught.value.message
    assert "--policy first" in caught.value.hint


def test_several_classes_of_labels_without_images_do_not_matter(shards):
    """Only the images that are there are asked."""
    labels = (*LABELS, "n00000042")
    wide = label_map([[0], [0], [1], [1], [0, 1]], ("s", "t"), labels=labels)
    _, head = Maps(labels=LEAVES, also=(wide,)).labelled(shards, "train")
    assert head.sizes == [4, 2]


@pytest.mark.parametrize("role", ["also", "fine"])
def test_a_further_map_of_another_list_or_without_classes_is_refused(shards, role):
    """As the first map is."""
    short = label_map([[0]], ("a",), labels=LABELS[:1])
    empty = label_map([[], [], [], []], ("a",))
    for bad, error in ((short, LabelsNotInMapError), (empty, NothingToLearnError)):
        given = {"labels": LEAVES, role: (bad,) if role == "also" else bad}
        with pytest.raises(error):
            Maps(**given).labelled(shards, "train")


def test_maps_that_cannot_teach_together():
    """Both ways at once, one map twice, one keyed by images."""
    by_image = label_map([[0]], ("a",), labels=("00" * 16,), keyed_by="image")
    for also, fine, words in (
        ((HALVES,), SOME, "--fine"),
        ((LEAVES,), None, "given twice"),
        ((HALVES, HALVES), None, "given twice"),
        ((by_image,), None, "keyed by image"),
    ):
        with pytest.raises(BadOptionError, match=words):
            Maps(labels=LEAVES, also=also, fine=fine)


def test_digests_tell_roles_and_order_apart():
    """And one map alone has the two that it always had."""
    one = Maps(labels=LEAVES).digests
    assert one == {"labels": LEAVES.digest, "labels_content": LEAVES.content_digest}
    several = [
        Maps(labels=LEAVES, also=(HALVES, SOME)),
        Maps(labels=LEAVES, also=(SOME, HALVES)),
        Maps(labels=HALVES, also=(LEAVES, SOME)),
        Maps(labels=LEAVES, also=(HALVES,)),
        Maps(labels=LEAVES, fine=HALVES),
    ]
    assert len({tuple(sorted(m.digests.items())) for m in several}) == len(several)
    assert further_digests(several[0].digests) == ([HALVES.digest, SOME.digest], None)
    assert further_digests(several[4].digests) == ([], HALVES.digest)
    assert further_digests(one) == ([], None)


@pytest.mark.parametrize(
    ("asked", "maps", "expected"),
    [
        ("auto", {"also": (HALVES,)}, "levels"),
        ("levels", {"also": (HALVES,)}, "levels"),
        ("auto", {"fine": LEAVES, "labels": HALVES}, "marginal"),
        ("marginal", {"fine": LEAVES, "labels": HALVES}, "marginal"),
        ("cross-entropy", {"also": (HALVES,)}, "no use for the maps of --also"),
        ("marginal", {"also": (HALVES,)}, "no use for the maps of --also"),
        ("sigmoid", {"fine": LEAVES, "labels": HALVES}, "no use for the maps of --fine"),
        ("levels", {}, "levels takes more than one label map"),
        ("marginal", {}, "marginal takes more than one label map"),
    ],
)
def test_the_loss_follows_from_the_maps(shards, asked, maps, expected):
    """Unless another one is asked for, which says what does not fit."""
    labelling, head = Maps(**{"labels": LEAVES, **maps}).labelled(shards, "train")
    if expected in ("levels", "marginal"):
        assert loss_kind(asked, labelling, head) == expected
        return
    with pytest.raises(BadOptionError, match=expected):
        loss_kind(asked, labelling, head)


def test_pairs_are_the_ones_of_multi_hot(shards):
    """What the device scatters is what the host would have sent."""
    several = label_map([[3, 0], [3], [], [1, 0, 3]], ("a", "b", "c", "d"))
    labelling = label_images(shards, "train", several)
    images = np.array([5, 0, 30, 5])
    hot = np.zeros((4, labelling.num_classes), np.float32)
    hot[labelling.pairs(images)] = 1
    assert (hot == labelling.multi_hot(images)).all()
    assert hot.sum() == len(labelling.pairs(images)[0])
