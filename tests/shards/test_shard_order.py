"""Order and chance by position: what a seed means must never change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from granctl.shards.order import permuted, permuted_each, uniforms

GOLDEN_FAR = [14152400, 13472337, 12157987]
GOLDEN_UNIFORMS = [
    [6991666, 1730039, 244406],
    [12146798, 15005450, 14891674],
    [8666517, 6294090, 1372052],
]


def test_permutation_has_the_golden_values():
    """A change of these values would change what every seed of every run means."""
    assert permuted(np.arange(10), 10, 0, 0).tolist() == [1, 6, 9, 5, 8, 0, 2, 4, 7, 3]
    far = np.array([0, 1, 14_199_999])
    assert permuted(far, 14_200_000, 7, 3).tolist() == GOLDEN_FAR


def test_uniforms_have_the_golden_values():
    """A change of these values would change what every augmentation means."""
    found = uniforms(np.array([0, 1, 2**40]), 3, 7, 3) * 2**24
    assert found.astype(int).tolist() == GOLDEN_UNIFORMS


@given(st.integers(1, 3000), st.integers(0, 2**70), st.integers(0, 1000))
def test_permutation_is_a_bijection_for_any_size_seed_and_epoch(n, seed, epoch):
    """Every number of [0, n) comes exactly once."""
    assert sorted(permuted(np.arange(n), n, seed, epoch).tolist()) == list(range(n))


@given(st.integers(1, 10**12), st.data())
def test_position_alone_decides_the_value(n, data):
    """A value asked for alone equals the value asked for among others: a run may skip to it."""
    places = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20)))
    together = permuted(places, n, 5, 2)
    assert [int(permuted(places[i : i + 1], n, 5, 2)[0]) for i in range(len(places))] == (
        together.tolist()
    )
    assert together.min() >= 0
    assert together.max() < n


def test_epochs_and_seeds_give_other_orders():
    """Two epochs, or two seeds, share about as many fixed places as chance would give."""
    base = permuted(np.arange(1000), 1000, 0, 0)
    for other in (permuted(np.arange(1000), 1000, 0, 1), permuted(np.arange(1000), 1000, 1, 0)):
        assert (base == other).sum() < 10


def test_all_orders_of_four_are_about_equally_likely():
    """Over 4,800 seeds each of the 24 orders is expected 200 times; chi-square under p = 0.0001."""
    orders = [tuple(permuted(np.arange(4), 4, seed, 0).tolist()) for seed in range(4800)]
    counts = np.unique(np.array(orders), axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert ((counts - 200) ** 2 / 200).sum() < 60


def test_position_outside_the_domain_is_refused():
    """Positions below 0 or from n on have no place."""
    for position in (-1, 5):
        with pytest.raises(ValueError, match="outside"):
            permuted(np.array([position]), 5, 0, 0)


def test_uniforms_are_uniform_and_independent():
    """Mean 1/2, deviation sqrt(1/12), no correlation between columns or neighbours."""
    drawn = uniforms(np.arange(100_000), 3, 1, 1)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert np.allclose(drawn.mean(0), 0.5, atol=0.005)
    assert np.allclose(drawn.std(0), 12**-0.5, atol=0.005)
    correlations = np.corrcoef(np.column_stack([drawn[:-1], drawn[1:]]).T) - np.eye(6)
    assert np.abs(correlations).max() < 0.015


def test_uniforms_of_the_permutations_seed_are_other_numbers():
    """Order and augmentation of one seed and epoch come from two streams."""
    order = permuted(np.arange(4096), 4096, 0, 0) / 4096
    chance = uniforms(np.arange(4096), 1, 0, 0)[:, 0]
    assert abs(np.corrcoef(order, chance)[0, 1]) < 0.06


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.integers(0, 2**66), st.data())
def test_many_small_bijections_are_those_of_one(sizes, seed, data):
    """The same golden values, whatever else is asked for at the same time."""
    epochs = [data.draw(st.integers(0, 2**40)) for _ in sizes]
    places = np.concatenate([np.arange(n) for n in sizes])
    found = permuted_each(places, np.repeat(sizes, sizes), seed, np.repeat(epochs, sizes))
    one_by_one = [permuted(np.arange(n), n, seed, e) for n, e in zip(sizes, epochs, strict=True)]
    assert found.tolist() == np.concatenate(one_by_one).tolist()
