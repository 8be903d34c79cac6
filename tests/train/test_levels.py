"""Coarser levels against relabelling and counting, and distances against a walk up the tree."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import label_map

from granctl.train.evaluate import evaluated
from granctl.train.labelling import Labelling
from granctl.train.levels import find_taxonomy, ladder_of
from granctl.tree.cuts import depth_cut, label_map_of, nodes_of_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.store import embedded_wordnet, save_taxonomy
from granctl.tree.taxonomy import LazyText, Taxonomy
from granctl.workspace import Workspace

TEN = (
    *("n03595614", "n04489008", "n04021028", "n03236735", "n03057021"),
    *("n04133789", "n04197391", "n03472535", "n02773037", "n02872752"),
)


def leaf_map(labels=TEN, **fields):
    """Each label a class."""
    return LabelMap.from_single(
        labels,
        np.arange(len(labels)),
        class_ids=labels,
        class_names=labels,
        method="leaf",
        **fields,
    )


def truth_of(labels, classes):
    """Images with these main classes."""
    num = len(classes)
    return Labelling(
        row=np.arange(num),
        key=np.arange(num),
        offsets=np.arange(num + 1),
        classes=np.asarray(classes, dtype=np.int64),
        class_ids=labels.class_ids,
        class_names=labels.class_names,
        classes_total=labels.num_classes,
        labels_present=num,
        dropped=0,
    )


def answers_of(truth, seed=0):
    """Made-up logits, better than chance, in two batches out of order."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(truth), truth.num_classes)).astype(np.float32)
    logits[np.arange(len(truth)), truth.main_class] += 1
    order = rng.permutation(len(truth))
    half = len(order) // 2
    return logits, [(logits[part], part) for part in (order[:half], order[half:])]


def judged(labels, workspace, num=400):
    """Truth, logits and what `evaluated` says of them."""
    ladder = ladder_of(workspace, labels, labels.class_ids, sigmoid=False)
    classes = np.random.default_rng(3).integers(0, labels.num_classes, num)
    truth = truth_of(labels, classes)
    logits, batches = answers_of(truth)
    return truth, logits, evaluated(batches, truth, ladder=ladder)


def up(wordnet, node):
    """A node and all above it by first parents, the root last."""
    path = [node]
    while wordnet.parent_offsets[node] < wordnet.parent_offsets[node + 1]:
        node = int(wordnet.parents[wordnet.parent_offsets[node]])
        path.append(node)
    return path


def test_every_level_is_relabelling_and_counting(tmp_path):
    """Against a depth cut of the labels, an image and a class at a time."""
    labels = leaf_map()
    truth, logits, found = judged(labels, Workspace(tmp_path))
    wordnet = embedded_wordnet()
    nodes = nodes_of_labels(wordnet, TEN, "ten")
    seen = {}
    for depth in range(1, 20):
        try:
            cut = label_map_of(
                wordnet, TEN, depth_cut(wordnet, nodes, depth), method="depth", params={}
            )
        except Exception:  # below the deepest label
            break
        if 2 <= cut.num_classes < 10:
            seen[f"depth-{depth}"] = cut
    assert [level.cut for level in found.hierarchy.levels] == list(seen)
    assert len(seen) >= 3
    probability = np.exp(logits.astype(np.float64))
    probability /= probability.sum(1, keepdims=True)
    for level in found.hierarchy.levels:
        cut, right, loss = seen[level.cut], 0, 0.0
        for row, own in zip(probability, truth.main_class, strict=True):
            sums = [0.0] * cut.num_classes
            for c, p in enumerate(row):
                sums[cut.classes[c]] += p
            right += int(np.argmax(sums)) == cut.classes[own]
            loss -= np.log(sums[cut.classes[own]])
        assert (level.n, level.classes, level.left_out) == (400, cut.num_classes, 0)
        assert level.top1 == right / 400
        assert level.nll == pytest.approx(loss / 400, rel=1e-5)


def test_mistakes_are_as_far_off_as_a_walk_up_the_tree_says(tmp_path):
    """Lowest common hypernym, its depth, and its height over the target's classes."""
    labels = leaf_map()
    truth, logits, found = judged(labels, Workspace(tmp_path))
    wordnet = embedded_wordnet()
    paths = [up(wordnet, wordnet.index_of[label]) for label in TEN]
    heights, depths, edges = [], [], []
    for row, own in zip(logits, truth.main_class, strict=True):
        said = int(row.argmax())
        if said != own:
            meet = next(node for node in paths[own] if node in paths[said])
            heights.append(max(p.index(meet) for p in paths if meet in p))
            depths.append(len(paths[own]) - 1 - paths[own].index(meet))
            edges.append(paths[own].index(meet) + paths[said].index(meet))
    mistakes = found.hierarchy.mistakes
    assert (mistakes.n, mistakes.measured) == (len(heights), len(heights))
    assert mistakes.severity == pytest.approx(np.mean(heights))
    assert mistakes.edges == pytest.approx(np.mean(edges))
    assert mistakes.distance == pytest.approx(np.sum(heights) / 400)
    counted = {row["depth"]: row["n"] for row in mistakes.by_depth}
    assert counted == dict(zip(*np.unique(depths, return_counts=True), strict=True))


def test_classes_that_do_not_nest_are_left_out_with_the_reason(tmp_path):
    """A made-up class over a jersey and a bag is scored at no level that parts the two."""
    classes = [[0], [1], [2], [3], [4], [5], [6], [7], [0], [8]]  # a bag with the jersey
    ids = ("mixed", *TEN[1:8], TEN[9])
    labels = label_map(classes, ids, labels=TEN)
    truth, _, found = judged(labels, Workspace(tmp_path))
    parted = [level for level in found.hierarchy.levels if level.left_out]
    assert parted
    for level in parted:
        assert level.left_out == 1
        assert "mixed" in level.left_out_because
        assert level.n == int((truth.main_class != 0).sum())
    assert found.hierarchy.mistakes.measured < found.hierarchy.mistakes.n


def test_the_taxonomy_of_a_map_is_found_by_its_digest(tmp_path):
    """The embedded one, one of the workspace, and one that is gone, which is said."""
    tree = Taxonomy(
        source="toy",
        ids=("all", "left", "right", "a", "b", "c"),
        rank_starts=np.array([0, 1, 3, 6], np.int32),
        parent_offsets=np.array([0, 0, 1, 2, 3, 4, 5], np.int32),
        parents=np.array([0, 0, 1, 1, 2], np.int32),
        relations=np.zeros(5, np.uint8),
        lemma_texts=LazyText.of(["x"] * 6),
        glosses=LazyText.of(["x"] * 6),
    )
    workspace = Workspace(tmp_path)
    labels = leaf_map(("a", "b", "c"), inputs={"taxonomy": tree.digest})
    gone = ladder_of(workspace, labels, labels.class_ids, sigmoid=False)
    assert not gone.levels
    assert "is not in the workspace" in gone.note
    save_taxonomy(tree, workspace.place("taxonomy", "toy", "0" * 64, ".npz"))
    ladder = ladder_of(workspace, labels, labels.class_ids, sigmoid=False)
    assert [(level.cut, level.class_ids) for level in ladder.levels] == [
        ("depth-1", ("left", "right"))
    ]
    assert ladder.record()["digest"] == tree.digest
    named = leaf_map(TEN, inputs={"taxonomy": embedded_wordnet().digest})
    assert find_taxonomy(workspace, named)[0] is embedded_wordnet()


def test_labels_that_are_no_nodes_and_several_classes_have_no_levels(tmp_path):
    """Both are said in a note."""
    workspace, labels = Workspace(tmp_path), leaf_map(("cats", "dogs"))
    assert (
        "no nodes of WordNet" in ladder_of(workspace, labels, ("cats", "dogs"), sigmoid=False).note
    )
    assert "do not add up" in ladder_of(workspace, leaf_map(), TEN, sigmoid=True).note


def _one_answer():
    truth = truth_of(leaf_map(("cats", "dogs")), [0, 1])
    return [(np.eye(2, dtype=np.float32), np.arange(2))], truth


def test_levels_of_scores_are_where_the_highest_class_lies(tmp_path):
    """Scores near each other: summed softmax would name the class with the most leaves."""
    labels = leaf_map()
    truth = truth_of(labels, np.arange(10))
    scores = np.full((10, 10), -0.05, dtype=np.float32)
    scores[np.arange(10), np.arange(10)] = 0.05
    ladder = ladder_of(Workspace(tmp_path), labels, labels.class_ids, sigmoid=False)
    batches = [(scores, np.arange(10))]
    found = evaluated(batches, truth, ladder=ladder, probabilities=False).record(
        probabilities=False
    )
    assert {level["top1"] for level in found["levels"]} == {1.0}
    assert found["nll"] is None
    summed = evaluated(batches, truth, ladder=ladder).record()["levels"]
    assert min(level["top1"] for level in summed) < 1
