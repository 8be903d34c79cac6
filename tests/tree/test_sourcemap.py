"""Which source classes cover a target's: by the same label, from above, from below, not at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from granctl.tree.cuts import label_map_of, level_cut, nodes_of_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import load_list
from granctl.tree.sourcemap import covered, source_map
from granctl.tree.store import embedded_wordnet

TEDDY, PLAYTHING, ARTIFACT = "n04399382", "n03964744", "n00021939"
DOG, PUPPY, POODLE, ENTITY = "n02084071", "n01322604", "n02113335", "n00001740"


def _leaves(labels: Sequence[str]) -> LabelMap:
    return LabelMap.from_single(
        labels,
        np.arange(len(labels)),
        class_ids=tuple(labels),
        class_names=tuple(labels),
        method="leaf",
    )


def test_teddy_is_the_one_class_of_the_1k_that_21k_lacks() -> None:
    """999 labels are the same; 21k has no plaything either, so artifact covers teddy."""
    source, target = _leaves(load_list("21843").ids), _leaves(load_list("1k").ids)
    found = covered(embedded_wordnet(), source, target).record()
    assert (found["same"], found["ancestor"], found["descendant"], found["none"]) == (999, 1, 0, 0)
    assert found["not_same"] == [{"label": TEDDY, "how": "ancestor", "by": ARTIFACT, "edges": 2}]
    assert found["source_classes"] == found["apart"] == 1000
    assert found["source_classes_total"] == 21_843
    with_teddy = covered(embedded_wordnet(), _leaves(load_list("21842").ids), target)
    assert with_teddy.record()["same"] == 1000


def test_classes_of_a_cut_cover_many() -> None:
    """Against a slow count: the classes of each 1k label under the paper's level 4."""
    taxonomy, labels = embedded_wordnet(), load_list("21841").ids
    nodes = nodes_of_labels(taxonomy, labels, "21841")
    source = label_map_of(taxonomy, labels, level_cut(taxonomy, nodes, 4), method="level")
    target = _leaves(load_list("1k").ids)
    found = covered(taxonomy, source, target)
    slow = [set(source.classes_of(i).tolist()) for i in target.labels if i != TEDDY]
    ours = [set(c) for c, i in zip(found.classes, target.labels, strict=True) if i != TEDDY]
    assert ours == slow
    assert len({frozenset(c) for c in ours}) == 157  # as `granctl tree align` counts them
    record = found.record()
    assert record["apart"] == len({frozenset(c) for c in found.classes})
    assert record["source_classes"] == len(set().union(*found.classes))


def test_nearest_above_or_below_and_dropped_labels() -> None:
    """A label that the source drops is not known to it; fewest edges win, above before below."""
    taxonomy = embedded_wordnet()
    target = _leaves([DOG])

    def way(source: LabelMap) -> tuple[str, str | None, int]:
        (found,) = covered(taxonomy, source, target).ways[0]
        return found.how, found.by, found.edges

    assert way(_leaves([DOG, ENTITY])) == ("same", DOG, 0)
    assert way(_leaves([PUPPY, ENTITY]))[:2] != ("same", DOG)
    assert way(_leaves([POODLE, ENTITY]))[:2] == ("descendant", POODLE)
    assert way(_leaves([TEDDY])) == ("none", None, 0)
    dropped = LabelMap.from_single(
        [DOG, POODLE],
        np.array([-1, 0]),
        class_ids=("poodles",),
        class_names=("poodles",),
        method="x",
    )
    assert way(dropped)[:2] == ("descendant", POODLE)


def test_a_class_is_covered_as_its_weakest_label() -> None:
    """Two labels in one class: one known, one from above; and labels of no hierarchy."""
    target = LabelMap.from_single(
        [TEDDY, DOG, "mine"],
        np.array([0, 0, 1]),
        class_ids=("a", "b"),
        class_names=("a", "b"),
        method="x",
    )
    found = covered(embedded_wordnet(), _leaves([DOG, PLAYTHING]), target)
    assert found.how == ("ancestor", "none")
    assert found.record()["num_not_same"] == 2
    assert covered(embedded_wordnet(), _leaves(["mine"]), target).how == ("none", "same")


def test_a_map_of_single_images_has_no_place_in_a_hierarchy() -> None:
    """Neither as a source nor as a target."""
    images = LabelMap.from_single(
        ["0" * 32],
        np.array([0]),
        class_ids=("a",),
        class_names=("a",),
        method="kmeans",
        keyed_by="image",
    )
    assert source_map(images, _leaves([DOG])) is None
    assert source_map(_leaves([DOG]), images) is None
    found = source_map(_leaves([DOG]), _leaves([DOG, TEDDY]))
    assert found is not None
    assert (found["same"], found["none"]) == (1, 1)
