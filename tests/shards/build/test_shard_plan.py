"""The plan: which image goes into which shard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from granctl.shards.build.budget import at_most_each, at_most_in_all
from granctl.shards.build.plan import (
    _ORDERS,
    BLOCK_IMAGES,
    balanced_order,
    hold_out,
    plan_shards,
    stratified_order,
)
from granctl.shards.order import permuted
from granctl.shards.tar import END_BYTES

SPLITS = ("train", "val", "test")


def planned(split_of, sizes, **options):
    """A plan with defaults."""
    options = {
        "order": "shuffled",
        "seed": 0,
        "shard_images": 10,
        "shard_bytes": 10**9,
        **options,
    }
    return plan_shards(np.array(split_of, np.int8), SPLITS, np.array(sizes, np.int64), **options)


@given(
    st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 5000)), max_size=60),
    st.integers(1, 12),
    st.integers(1025, 9000),
)
def test_plan_places_every_image_once_and_keeps_both_limits(images, most, most_bytes):
    """Each image of a split is in one shard of it; a shard is too large only if it is one image."""
    split_of = [split for split, _ in images]
    sizes = [size for _, size in images]
    shards = planned(split_of, sizes, shard_images=most, shard_bytes=most_bytes)
    placed = [(SPLITS.index(s.split), i) for s in shards for i in s.members.tolist()]
    assert sorted(placed) == sorted((split, i) for i, split in enumerate(split_of) if split >= 0)
    for shard in shards:
        assert 1 <= len(shard.members) <= most
        size = sum(sizes[i] for i in shard.members) + END_BYTES
        assert size <= most_bytes or len(shard.members) == 1
    for split in SPLITS:
        stems = [s.stem for s in shards if s.split == split]
        assert stems == [f"{split}-{i:06d}" for i in range(len(stems))]


def test_plan_makes_shards_of_equal_numbers():
    """25 images at most 10 a shard are 9, 9 and 7, not 10, 10 and 5."""
    shards = planned([0] * 25, [100] * 25)
    assert [len(s.members) for s in shards] == [9, 9, 7]


def test_plan_follows_the_seed_or_the_source():
    """One seed gives one order, another seed another; `source` keeps the order of the listing."""
    first, again, other = (planned([0] * 50, [1] * 50, seed=s)[0].members for s in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    in_order = planned([0] * 50, [1] * 50, order="source", shard_images=50)[0].members
    assert in_order.tolist() == list(range(50))


@pytest.mark.parametrize(("images", "held"), [(1, 0), (2, 1), (5, 1), (10, 1), (25, 2), (30, 3)])
def test_each_label_holds_out_its_tenth(images, held):
    """A tenth of each label, at least one image of two or more, never the only one."""
    label_of = np.repeat(np.arange(3, dtype=np.int32), images)
    mask = hold_out(label_of, 3, 0.1, seed=0)
    assert [int(mask[label_of == label].sum()) for label in range(3)] == [held] * 3


def test_held_out_images_follow_the_seed():
    """Seed and labels decide which; labels do not hold out the same places."""
    label_of = np.repeat(np.arange(4, dtype=np.int32), 100)
    masks = [hold_out(label_of, 4, 0.1, seed) for seed in (0, 0, 1)]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()
    places = {tuple(np.flatnonzero(masks[0][label_of == label])) for label in range(4)}
    assert len(places) == 4


def test_held_out_images_are_those_of_earlier_versions():
    """What a seed holds out must never change: label by label, as it was first written."""
    label_of = np.random.default_rng(0).integers(0, 40, 3000).astype(np.int32)
    held = np.zeros(3000, dtype=bool)
    for label in range(40):
        images = np.flatnonzero(label_of == label)
        m = len(images)
        quota = min(max(round(m * 0.15), 1), m - 1)
        held[images[permuted(np.arange(m), m, 5, 1 + label) < quota]] = True
    assert (hold_out(label_of, 40, 0.15, 5) == held).all()


LABELLED = st.lists(st.integers(0, 7), min_size=1, max_size=400).map(
    lambda labels: np.array(labels, dtype=np.int32)
)


@given(LABELLED, st.sampled_from(sorted(_ORDERS)), st.integers(0, 3), st.integers(1, 90))
def test_every_order_places_every_image_once(labels, order, seed, most):
    """Whatever the order, one shard after another holds each image of its split exactly once."""
    split_of = (np.arange(len(labels)) % 3 - 1).astype(np.int8)
    lies_at = np.random.default_rng(seed).permutation(len(labels))
    options = {"order": order, "seed": seed, "shard_images": most, "shard_bytes": 10**9}
    shards = plan_shards(
        split_of,
        SPLITS,
        np.full(len(labels), 1000),
        label_of=labels,
        lies_at=lies_at,
        **options,
    )
    placed = np.concatenate([s.members for s in shards] or [np.zeros(0, int)])
    assert sorted(placed.tolist()) == np.flatnonzero(split_of >= 0).tolist()
    for shard in shards:
        assert 1 <= len(shard.members) <= most
        assert (split_of[shard.members] == SPLITS.index(shard.split)).all()


@given(LABELLED, st.integers(0, 5), st.data())
def test_stratified_runs_hold_every_label_in_its_share(labels, seed, data):
    """The bound that is documented, for any run of images, be it a shard or several."""
    order = stratified_order(labels, seed)
    n = len(labels)
    begin = data.draw(st.integers(0, n - 1))
    end = data.draw(st.integers(begin + 1, n))
    counts, num_labels = np.bincount(labels, minlength=8), len(np.unique(labels))
    here = np.bincount(labels[order[begin:end]], minlength=8)
    deviation = np.abs(here - (end - begin) * counts / n)
    assert (deviation <= 2 + counts * num_labels / n).all()


def test_stratified_shards_look_like_the_whole():
    """A long tail of labels: no shard is off by two images, where chance would be off by dozens."""
    counts = np.array([5000, 2000, 900, 300, 90, 30, 9, 3])
    labels = np.repeat(np.arange(8), counts).astype(np.int32)
    off = {}
    for order in ("stratified", "shuffled"):
        shards = plan_shards(
            np.zeros(len(labels), np.int8),
            SPLITS,
            np.full(len(labels), 1000),
            order=order,
            seed=0,
            shard_images=500,
            shard_bytes=10**9,
            label_of=labels,
        )
        found = np.array([np.bincount(labels[s.members], minlength=8) for s in shards])
        share = np.array([len(s.members) for s in shards])[:, None] * counts / len(labels)
        off[order] = np.abs(found - share).max()
    assert off["stratified"] < 2 < 10 < off["shuffled"]


@given(LABELLED, st.integers(0, 5), st.integers(1, 400))
def test_balanced_beginnings_hold_labels_equally(labels, seed, first):
    """Two labels differ by at most one, unless one of them is used up."""
    counts = np.bincount(labels, minlength=8)
    here = np.bincount(labels[balanced_order(labels, seed)[:first]], minlength=8)
    left = here < counts
    if left.any():
        assert here.max() - here[left].min() <= 1


def test_blocks_keep_neighbours_on_the_disk_together():
    """A shard reads few runs of the source, and is shuffled inside."""
    n = 20_000
    lies_at = np.random.default_rng(1).permutation(n)
    shards = plan_shards(
        np.zeros(n, np.int8),
        SPLITS,
        np.full(n, 1000),
        order="blocks",
        seed=3,
        shard_images=2048,
        shard_bytes=10**9,
        lies_at=lies_at,
    )
    for shard in shards:
        ranks = np.sort(lies_at[shard.members])
        assert (np.diff(ranks) > 1).sum() + 1 <= 2048 // BLOCK_IMAGES + 2
        assert (np.diff(lies_at[shard.members]) == 1).mean() < 0.05
    starts = [int(lies_at[s.members].min()) // BLOCK_IMAGES for s in shards]
    assert starts != sorted(starts)


@given(LABELLED, st.integers(0, 3), st.integers(1, 60), st.integers(0, 60))
def test_budgets_nest_and_are_met(labels, seed, small, more):
    """Exactly as many as asked, or all; a smaller budget is a part of a larger one."""
    counts = np.bincount(labels)
    for share in ("proportional", "equal"):
        less, larger = (at_most_in_all(labels, m, share, seed) for m in (small, small + more))
        assert less.sum() == min(small, len(labels))
        assert not (less & ~larger).any()
    less, larger = (at_most_each(labels, m, seed) for m in (small, small + more))
    assert np.bincount(labels[less], minlength=len(counts)).tolist() == (
        np.minimum(counts, small).tolist()
    )
    assert not (less & ~larger).any()
