"""Clusters of rows by features: against scikit-learn and scipy, inside superclasses, by seed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granctl.errors import ClusterCountError
from granctl.progress import Silent
from granctl.tree import kmeans
from granctl.tree.cluster import commonest_labels, linked_within, nearest_labels, shares
from granctl.tree.controls import dealt, shuffled, take_rows
from granctl.tree.kmeans import Groups, streamed_kmeans
from granctl.tree.linkage import merges
from granctl.tree.parents import Rows


def _blobs(rng: np.random.Generator, num: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two superclasses of three far blobs each; returns features, superclass, blob."""
    blob = np.arange(num) % 6
    centres = 50 * np.eye(6, dtype=np.float32)
    return centres[blob] + rng.normal(size=(num, 6)).astype(np.float32), blob // 3, blob


def _streamed(features, superclass, num_clusters, seed: int = 0, piece: int = 64):
    def chunks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(features), piece):
            yield np.arange(start, min(start + piece, len(features))), features[start:][:piece]

    groups = Groups(of_row=superclass, num_clusters=np.array(num_clusters))
    return streamed_kmeans(chunks, groups, seed, Silent())


def _same_parts(a: np.ndarray, b: np.ndarray) -> bool:
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


# --- how many each superclass gets ----------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.data())
def test_shares_are_fair(sizes: list[int], data):
    """Exactly as many as asked, at least one each, never more than images, larger gets no less."""
    total = data.draw(st.integers(len(sizes), sum(sizes)))
    got = shares(np.array(sizes), total)
    assert got.sum() == total
    assert (got >= 1).all()
    assert (got <= sizes).all()
    by_size = sorted(zip(sizes, got.tolist(), strict=True), key=lambda pair: pair[0])
    assert all(b[1] >= a[1] - (a[0] == b[0]) for a, b in itertools.pairwise(by_size))


@pytest.mark.parametrize(
    ("total", "problem"), [(1, "fewer than the 2 classes"), (8, "more than the 7 labels")]
)
def test_a_number_that_cannot_be_dealt_out_is_refused(total: int, problem: str):
    """The error says the bound and the range that can be asked."""
    with pytest.raises(ClusterCountError, match=problem) as caught:
        shares(np.array([3, 4]), total, "labels")
    assert caught.value.hint == "take --classes 2 to 7"


# --- k-means --------------------------------------------------------------------------------------


def test_small_superclasses_are_clustered_as_scikit_learn_does():
    """Each superclass alone, by Lloyd's k-means from one k-means++ start, is what is found."""
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(3)
    features, superclass = rng.normal(size=(300, 5)).astype(np.float32), rng.integers(0, 3, 300)
    found = _streamed(features, superclass, [4, 7, 1], seed=9)
    for group, k in enumerate([4, 7, 1]):
        state = int(np.random.default_rng([9, group]).integers(2**31))
        theirs = KMeans(k, n_init=1, random_state=state).fit_predict(features[superclass == group])
        assert _same_parts(found.cluster[superclass == group], theirs)
    assert found.num_passes == 0


def test_passes_end_where_lloyds_algorithm_does(monkeypatch: pytest.MonkeyPatch):
    """From the same centres, passes over chunks and scikit-learn in memory agree row by row."""
    from sklearn.cluster import KMeans

    monkeypatch.setattr(kmeans, "FULL_UP_TO", 60)
    monkeypatch.setattr(kmeans, "SAMPLE_A_CLUSTER", 1)
    monkeypatch.setattr(kmeans, "MOST_PASSES", 300)
    monkeypatch.setattr(kmeans, "SETTLED", 0.0)
    starts = []
    from_sample = kmeans.lloyd

    def kept(*arguments):
        result = from_sample(*arguments)
        starts.append(result[2].copy())
        return result

    monkeypatch.setattr(kmeans, "lloyd", kept)
    features = np.random.default_rng(1).normal(size=(700, 6)).astype(np.float32) + 3
    found = _streamed(features, np.zeros(700, int), [9])
    theirs = KMeans(9, init=starts[0], n_init=1, tol=0).fit(features)
    assert found.num_passes > 2
    assert _same_parts(found.cluster, theirs.labels_)
    assert np.isclose(found.distance.sum(dtype=float), theirs.inertia_, rtol=1e-5)


@pytest.mark.parametrize("full_up_to", [kmeans.FULL_UP_TO, 30])
@pytest.mark.parametrize("wave", [kmeans.WAVE_BYTES, 1])
def test_far_blobs_are_found_inside_their_superclass(monkeypatch, full_up_to: int, wave: int):
    """Clusters are the blobs, none crosses a superclass; in memory, by passes, wave by wave."""
    monkeypatch.setattr(kmeans, "FULL_UP_TO", full_up_to)
    monkeypatch.setattr(kmeans, "SAMPLE_A_CLUSTER", 10)
    monkeypatch.setattr(kmeans, "WAVE_BYTES", wave)
    features, superclass, blob = _blobs(np.random.default_rng(0))
    found = _streamed(features, superclass, [3, 3], seed=1)
    assert _same_parts(superclass * 3 + found.cluster, blob)
    assert (found.num_passes > 0) == (full_up_to == 30)


@pytest.mark.parametrize("full_up_to", [kmeans.FULL_UP_TO, 20])
def test_the_seed_decides(monkeypatch: pytest.MonkeyPatch, full_up_to: int):
    """The same seed gives the same clusters, in memory or by passes; another gives others."""
    monkeypatch.setattr(kmeans, "FULL_UP_TO", full_up_to)
    monkeypatch.setattr(kmeans, "SAMPLE_A_CLUSTER", 3)
    rng = np.random.default_rng(0)
    features, superclass = rng.normal(size=(400, 8)).astype(np.float32), rng.integers(0, 2, 400)
    one, two, other = (_streamed(features, superclass, [10, 10], s).cluster for s in (5, 5, 6))
    assert (one == two).all()
    assert (one != other).any()
    used = {(s, c) for s, c in zip(superclass.tolist(), one.tolist(), strict=True)}
    assert len(used) == 20


@pytest.mark.parametrize("full_up_to", [kmeans.FULL_UP_TO, 5])
def test_equal_images_still_give_every_cluster_a_member(monkeypatch, full_up_to: int):
    """With fewer distinct rows than clusters none is left empty."""
    monkeypatch.setattr(kmeans, "FULL_UP_TO", full_up_to)
    monkeypatch.setattr(kmeans, "SAMPLE_A_CLUSTER", 1)
    found = _streamed(np.zeros((10, 3), np.float32), np.zeros(10, int), [4])
    assert set(found.cluster.tolist()) == {0, 1, 2, 3}


# --- linkage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("linkage", ["ward", "average"])
@pytest.mark.parametrize("seed", range(5))
def test_linkage_agrees_with_scipy(linkage, seed: int):
    """On random rows, which have no ties: the same heights, the same clusters at every number."""
    from scipy.cluster.hierarchy import cut_tree
    from scipy.cluster.hierarchy import linkage as scipy_linkage

    rng = np.random.default_rng(seed)
    num = int(rng.integers(2, 120))
    features = (rng.normal(size=(num, 7)) + 20).astype(np.float32)
    found = merges(features, linkage, Silent())
    theirs = scipy_linkage(features.astype(float), linkage)
    assert np.allclose(np.sort(found.height), theirs[:, 2], rtol=1e-4)
    for k in range(1, num + 1):
        assert _same_parts(found.cut(k), cut_tree(theirs, k)[:, 0])


@pytest.mark.parametrize("linkage", ["ward", "average"])
def test_linkage_agrees_with_scikit_learn_inside_each_superclass(linkage):
    """Each superclass alone is clustered as AgglomerativeClustering does, numbered by first row."""
    from sklearn.cluster import AgglomerativeClustering

    rng = np.random.default_rng(2)
    features, superclass = rng.normal(size=(150, 6)).astype(np.float32), rng.integers(0, 2, 150)
    found = linked_within(features, superclass, np.array([5, 12]), linkage, Silent())
    for group, k in enumerate([5, 12]):
        ours = found[superclass == group]
        model = AgglomerativeClustering(k, linkage=linkage)
        assert _same_parts(ours, model.fit_predict(features[superclass == group]))
        _, first = np.unique(ours, return_index=True)
        assert (np.diff(first) > 0).all()


@pytest.mark.parametrize("linkage", ["ward", "average"])
def test_equal_rows_are_cut_into_any_number(linkage):
    """All distances tie: every number of clusters can be had all the same, and ends are exact."""
    found = merges(np.ones((9, 2), np.float32), linkage, Silent())
    assert [len(set(found.cut(k).tolist())) for k in range(1, 10)] == list(range(1, 10))
    with pytest.raises(ValueError, match="10 clusters of 9 rows"):
        found.cut(10)


# --- names ----------------------------------------------------------------------------------------


def test_clusters_are_called_by_their_labels():
    """Of labels the ones nearest to the mean, of images the commonest, and how many more."""
    names = ["ant", "bee", "cat", "dog"]
    features = np.array([[0.0], [1.0], [9.0], [2.0]], np.float32)
    assert nearest_labels(features, np.array([0, 0, 1, 0]), names) == ["bee, ant +1", "cat"]
    label = np.array([3, 3, 2, 1, 1, 1, 0])
    cluster = np.array([0, 0, 0, 0, 1, 1, 0])
    assert commonest_labels(label, cluster, names) == ["dog, ant +2", "bee"]


# --- controls -------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1), st.integers(0, 99))
def test_shuffling_inside_superclasses_keeps_the_sizes_there(rows, seed: int):
    """Each class is as large in each superclass as before; rows without a class stay so."""
    superclass = np.array([s for s, _ in rows])
    value = np.array([c - 1 for _, c in rows])
    offsets = np.concatenate([[0], np.cumsum(value >= 0)])
    cut = Rows(offsets, value[value >= 0].astype(np.int32))
    got = shuffled(cut, np.random.default_rng(seed), superclass)
    assert (got.counts == cut.counts).all()
    for s in range(3):
        before, after = (c.values[superclass[c.row_of_value] == s] for c in (cut, got))
        assert sorted(before) == sorted(after)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=4), st.data())
def test_dealt_classes_are_of_equal_size(superclass: list[int], data):
    """Inside each superclass sizes differ by one at most, and every class has a row."""
    index = np.unique(superclass, return_inverse=True)[1]
    sizes = np.bincount(index)
    k = np.array([data.draw(st.integers(1, int(n))) for n in sizes])
    got = dealt(index, k, np.random.default_rng(0))
    for group, num in enumerate(k):
        classes = np.bincount(got[index == group], minlength=num)
        assert len(classes) == num
        assert classes.min() >= 1
        assert classes.max() - classes.min() <= 1


def test_rows_are_taken_or_left_out():
    """Row -1 is a row without a class."""
    cut = Rows(np.array([0, 2, 3]), np.array([5, 6, 7], np.int32))
    got = take_rows(cut, np.array([1, -1, 0]))
    assert (got.offsets.tolist(), got.values.tolist()) == ([0, 1, 1, 3], [7, 5, 6])
