"""The order for slow disks: every image once, neighbours together, a pure function of position."""

import numpy as np
import pytest

from granctl.shards import blocks
from granctl.shards.blocks import in_blocks, read_ahead


@pytest.fixture
def small(monkeypatch):
    """Blocks of 4 images, groups of 3 blocks."""
    monkeypatch.setattr(blocks, "BLOCK_IMAGES", 4)
    monkeypatch.setattr(blocks, "GROUP_BLOCKS", 3)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("n", [*range(1, 40), 101, 240])
def test_every_image_stands_once(n):
    """Whole blocks or not, one group or many."""
    for epoch in range(3):
        order = in_blocks(np.arange(n), n, seed=2, epoch=epoch)
        assert sorted(order.tolist()) == list(range(n))


@pytest.mark.usefixtures("small")
def test_a_position_does_not_depend_on_what_is_asked_with_it():
    """Pieces of any size, from any place, have the images of the whole epoch."""
    whole = in_blocks(np.arange(101), 101, seed=2, epoch=1)
    for begin in range(0, 101, 7):
        places = np.arange(begin, min(begin + 7, 101))
        assert (in_blocks(places, 101, seed=2, epoch=1) == whole[places]).all()
    assert (in_blocks(np.arange(101), 101, seed=2, epoch=2) != whole).any()
    assert (in_blocks(np.arange(101), 101, seed=3, epoch=1) != whole).any()


@pytest.mark.usefixtures("small")
def test_a_group_is_whole_blocks_of_neighbours_mixed():
    """12 positions hold 3 runs of 4 images, in no order."""
    order = in_blocks(np.arange(240), 240, seed=0, epoch=0)
    runs, sorted_groups = [], 0
    for group in order.reshape(20, 12):
        images = np.sort((group - order.min()) % 240)
        apart = np.flatnonzero(np.diff(images) != 1)
        runs.append(len(apart) + 1)
        sorted_groups += (np.diff(group) > 0).all()
    assert max(runs) <= 4  # a block that runs over the end of the disk is two runs
    assert sorted_groups == 0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("n", [5, 12, 30, 47, 240])
def test_the_group_before_reads_every_group_ahead_once(n):
    """Whatever pieces it is cut into; the last one reads the first of the next epoch."""
    ahead = [
        image
        for begin in range(0, n, 5)
        for image in read_ahead(begin, min(begin + 5, n), n, 7, 4).tolist()
    ]
    first = min(12, n) if n >= 24 else n
    needed = in_blocks(np.arange(first, n), n, 7, 4).tolist()
    needed += in_blocks(np.arange(first), n, 7, 5).tolist()
    assert sorted(ahead) == sorted(needed)


def test_values_of_a_seed_never_change():
    """Of an epoch of 100,000: they are part of what a seed means."""
    places = np.array([0, 1, 16_383, 16_384, 99_999])
    found = in_blocks(places, 100_000, seed=1, epoch=2)
    assert found.tolist() == [65433, 96129, 32655, 62755, 7550]


def test_a_position_outside_is_refused():
    """As `permuted` does."""
    with pytest.raises(ValueError, match="outside"):
        in_blocks(np.array([5]), 5, seed=0, epoch=0)
