"""k-means inside each class, on arrays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granctl.errors import ClusterCountError
from granctl.progress import Silent
from granctl.tree import cluster
from granctl.tree.cluster import kmeans_within, shares


def _blobs(rng: np.random.Generator, num: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two superclasses of three far blobs each; returns features, superclass, blob."""
    blob = np.arange(num) % 6
    centres = 50 * np.eye(6, dtype=np.float32)
    return centres[blob] + rng.normal(size=(num, 6)).astype(np.float32), blob // 3, blob


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
    ("total", "problem"), [(1, "fewer than the 2 classes"), (8, "more than the 7 images")]
)
def test_a_number_that_cannot_be_dealt_out_is_refused(total: int, problem: str):
    """The error says the bound and the range that can be asked."""
    with pytest.raises(ClusterCountError, match=problem) as caught:
        shares(np.array([3, 4]), total)
    assert caught.value.hint == "take --classes 2 to 7"


def test_far_blobs_are_found_inside_their_superclass():
    """Clusters are the blobs, and none crosses a superclass."""
    features, superclass, blob = _blobs(np.random.default_rng(0))
    found = kmeans_within(features, superclass, 6, 1, Silent())
    pairs = set(zip(superclass.tolist(), found.tolist(), blob.tolist(), strict=True))
    assert len(pairs) == 6


@pytest.mark.parametrize("full_up_to", [cluster.FULL_UP_TO, 10])
def test_the_seed_decides(monkeypatch: pytest.MonkeyPatch, full_up_to: int):
    """The same seed gives the same clusters, full or by mini-batches; another gives others."""
    monkeypatch.setattr(cluster, "FULL_UP_TO", full_up_to)
    rng = np.random.default_rng(0)
    features, superclass = rng.normal(size=(400, 8)).astype(np.float32), rng.integers(0, 2, 400)
    one, two, other = (kmeans_within(features, superclass, 20, s, Silent()) for s in (5, 5, 6))
    assert (one == two).all()
    assert (one != other).any()
    used = {(s, c) for s, c in zip(superclass.tolist(), one.tolist(), strict=True)}
    assert len(used) == 20


def test_equal_images_still_give_every_cluster_a_member():
    """With fewer distinct rows than clusters none is left empty."""
    features = np.zeros((10, 3), np.float32)
    found = kmeans_within(features, np.zeros(10, int), 4, 0, Silent())
    assert set(found.tolist()) == {0, 1, 2, 3}
