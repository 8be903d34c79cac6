"""What the theory says, measured: the contrast, 1/k, the U; and that a seed is a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from granctl.theory.experiment import measure
from granctl.theory.labels import LabelSpace, label_space
from granctl.theory.setting import Setting

NOISY = {"noise": 1.5, "samples": 32, "width": 512}
"""The regime of the U: N = 512 samples, 512 neurons."""
COUNTS = (2, 4, 8, 16, 32, 64, 128, 256, 512)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    with threadpool_limits(1):
        yield


def measured(word: str, seed: int = 0, **changed: Any) -> dict[str, Any]:
    setting = Setting(**changed)
    assert setting.faults() == []
    space = label_space(word, setting)
    assert isinstance(space, LabelSpace), space
    return measure(setting, space, seed)


def check_contrast(seed: int) -> None:
    coarse, fine = measured("coarse", seed), measured("fine", seed)
    assert coarse["easy"]["max"] == 0
    assert coarse["hard"]["max"] > 0.9
    assert fine["easy"]["max"] == 0
    assert fine["hard"]["max"] == 0
    assert max(coarse["loss"], fine["loss"]) <= 0.01


@pytest.mark.parametrize("seed", range(3))
def test_coarse_labels_miss_what_fine_ones_learn(seed: int) -> None:
    """Coarse: no easy error and nearly only hard ones; fine: none at all."""
    check_contrast(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 20))
def test_coarse_labels_miss_what_fine_ones_learn_by_every_seed(seed: int) -> None:
    """The rest of twenty seeds."""
    check_contrast(seed)


def test_the_ratio_follows_one_over_k() -> None:
    """Under coarse labels k times the ratio stays within a fifth of 0.9; fine ones reverse it."""
    for k in (2, 4, 8, 16, 24):
        assert 0.7 < k * measured("coarse", k=k, test=50)["response_ratio"] < 1.1
    assert measured("fine", k=4, test=50)["response_ratio"] > 2


def test_more_wrong_feature_more_hard_errors() -> None:
    """Few errors far below the ratio's 1/k, nearly only errors far above."""
    errors = [measured("coarse", alpha_dagger=a)["hard"]["max"] for a in (0.05, 0.15, 0.3)]
    assert errors == sorted(errors)
    assert errors[0] < 0.35
    assert errors[-1] > 0.9


def test_some_hard_samples_in_training_teach_the_subclasses() -> None:
    """Five in a hundred take most of the coarse network's hard error away."""
    pure, mixed = measured("coarse"), measured("coarse", rho=0.05)
    assert mixed["hard"]["max"] < 0.2 < pure["hard"]["max"]
    assert mixed["response_ratio"] > 3 * pure["response_ratio"]


def test_random_classes_inside_superclasses_act_like_coarse_ones() -> None:
    """More classes alone do not help, nor do classes across superclasses."""
    inside = measured("random-inside:16", epochs=20)
    assert inside["easy"]["max"] == 0
    assert inside["hard"]["max"] > 0.8
    across = measured("misaligned:4", epochs=5)
    assert across["easy"]["max"] == 0.5


def test_a_deeper_hierarchy_and_more_superclasses() -> None:
    """Three superclasses of two levels below: labels of the middle level learn its features."""
    deep = {"superclasses": 3, "k": 8, "between": (2,), "P": 10, "samples": 64, "missing": 2}
    coarse, middle, fine = (measured(w, **deep) for w in ("coarse", "merged:6", "fine"))
    assert len(coarse["response"]) == 3
    assert coarse["hard"]["max"] > 0.5 > fine["hard"]["max"] + 0.4
    assert fine["easy"]["max"] == 0
    assert np.argmax(coarse["aligned"]) == 0
    assert np.argmax(middle["aligned"]) == 1
    assert np.argmax(fine["aligned"]) == 2


def test_hard_errors_are_found_by_the_coarse_networks_loss() -> None:
    """What the construction calls hard is what a coarse network finds hard."""
    assert measured("coarse", test=500)["auc"] > 0.99


def check_u(seed: int, counts: tuple[int, ...], **changed: Any) -> None:
    regime = {**NOISY, **changed}
    errors = {c: measured(f"classes:{c}", seed, **regime)["hard"]["max"] for c in counts}
    assert min(errors, key=errors.__getitem__) == 16, errors
    assert errors[2] > 0.5
    assert errors[counts[-1]] > 2 * errors[16]


def test_the_error_is_least_at_the_true_subclasses() -> None:
    """Fewer classes miss features, one class a sample learns noise; with half the epochs."""
    check_u(0, (2, 8, 16, 256), epochs=50)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_u_has_its_minimum_at_the_true_subclasses(seed: int) -> None:
    """Over all numbers of classes."""
    check_u(seed, COUNTS)


def test_a_seed_is_a_seed() -> None:
    """The same gives the same numbers, another others; label spaces share their samples."""
    one = measured("coarse", 7, test=100, samples=20)
    assert measured("coarse", 7, test=100, samples=20) == one
    assert measured("coarse", 8, test=100, samples=20) != one


def test_the_record_is_whole() -> None:
    """The history has a loss an epoch, and ratios from the first step to the last."""
    found = measured("merged:4", test=100, samples=20)
    assert found["classes"] == 4
    assert found["neurons"] == 128
    assert len(found["history"]["loss"]) == found["epochs"]
    steps = found["history"]["step"]
    assert steps[:11] == list(range(11))
    assert steps[-1] == found["steps"]
    assert steps == sorted(set(steps))
    assert len(found["history"]["response_ratio"]) == len(steps)
    assert found["history"]["response_ratio"][-1] == found["response_ratio"]
    assert found["steps"] == found["epochs"] * 3  # 320 samples in batches of 128
    assert sum(found["aligned"]) == pytest.approx(1)
