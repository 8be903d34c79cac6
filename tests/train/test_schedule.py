"""The learning rate is a pure function of the step."""

import math

import pytest

from granctl.train.schedule import Schedule, factor


def _reference(kind, warmup, final, num_steps):
    """All factors of a run, by walking it."""
    found = []
    for step in range(num_steps):
        if step < warmup:
            found.append((step + 1) / (warmup + 1))
        elif kind == "constant":
            found.append(1.0)
        else:
            gone = (step - warmup) / (num_steps - warmup)
            left = {"linear": 1 - gone, "cosine": (1 + math.cos(math.pi * gone)) / 2}[kind]
            found.append(final + (1 - final) * left)
    return found


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("warmup", "num_steps"), [(0, 1), (0, 7), (3, 10), (10, 10), (50, 10)])
def test_factor_is_that_of_the_walk(kind, warmup, num_steps):
    """Every step of every shape, warmups as long as the run and longer ones too."""
    schedule = Schedule(kind=kind, warmup_steps=warmup, final_frac=0.1)
    expected = _reference(kind, min(warmup, num_steps), 0.1, num_steps)
    assert [factor(schedule, s, num_steps) for s in range(num_steps)] == pytest.approx(expected)


def test_thirds_have_a_tenth_of_the_rate_before():
    """Of 9 steps three each; a warmup comes before them."""
    thirds = Schedule(kind="thirds", warmup_steps=0)
    assert [factor(thirds, s, 9) for s in range(9)] == pytest.approx(
        [1.0] * 3 + [0.1] * 3 + [0.01] * 3
    )
    warm = Schedule(kind="thirds", warmup_steps=1)
    assert [factor(warm, s, 4) for s in range(4)] == pytest.approx([0.5, 1.0, 0.1, 0.01])


def test_warmup_as_a_share_of_the_run():
    """A tenth of 40 steps: the fifth has the whole rate."""
    schedule = Schedule(kind="constant", warmup_frac=0.1)
    assert [factor(schedule, s, 40) for s in range(6)] == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]


def test_factor_refuses_a_step_outside_the_run():
    """There is no rate after the end."""
    with pytest.raises(ValueError, match="step 10"):
        factor(Schedule(), 10, 10)
