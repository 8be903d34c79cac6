"""The plan: which image goes into which shard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from granctl.shards.plan import hold_out, plan_shards
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
