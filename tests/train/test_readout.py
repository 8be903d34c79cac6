"""The linear read-out: right answers inside a coarse class, guesses, and which images train it."""

import numpy as np
import pytest

from granctl.train.readout import inside_of, read_out, some_of_each

FINE, COARSE = 6, 3
COARSE_OF = np.array([0, 0, 0, 1, 1, 2])
"""Three fine classes in the first coarse class, two in the second, one in the third."""


def blobs(rng, fine, *, hidden):
    """Features that tell the coarse class; the fine one too, unless it is hidden."""
    rows = np.zeros((len(fine), COARSE + FINE))
    rows[np.arange(len(fine)), COARSE_OF[fine]] = 5
    if not hidden:
        rows[np.arange(len(fine)), COARSE + fine] = 5
    return (rows + rng.normal(size=rows.shape)).astype(np.float32)


@pytest.mark.parametrize("hidden", [False, True])
def test_what_is_readable_inside_a_coarse_class(hidden):
    """All of it where features tell fine classes; what guessing gives where they do not."""
    rng = np.random.default_rng(0)
    label, truth = np.repeat(np.arange(FINE), 50), rng.permutation(np.repeat(np.arange(FINE), 400))
    coarse = COARSE_OF[truth]
    coarse[:10] = -1
    inside = inside_of(label, COARSE_OF[label], FINE, COARSE)
    assert inside.candidates.sum(1).tolist() == [3, 2, 1]
    train, test = blobs(rng, label, hidden=hidden), blobs(rng, truth, hidden=hidden)
    found = read_out(train, label, test, truth, coarse, inside)
    counted = (coarse == 0) | (coarse == 1)
    assert found.num_inside == counted.sum()
    uniform = np.where(coarse == 0, 1 / 3, 1 / 2)[counted].mean()
    assert found.uniform == pytest.approx(uniform)
    assert found.commonest == pytest.approx(uniform, abs=0.02)
    assert found.converged
    if hidden:
        assert found.inside == pytest.approx(uniform, abs=0.03)
        assert found.fine == pytest.approx((1 + 1 + 1) / FINE, abs=0.03)
    else:
        assert found.inside > 0.98
        assert found.fine > 0.97
    alone = read_out(train, label, test, truth)
    assert (alone.fine, alone.inside, alone.num_inside) == (found.fine, None, 0)


def test_read_out_is_the_argmax_of_sklearns_probabilities():
    """Restricted to the candidates; with two classes, and with numbers that leave gaps."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(1)
    for classes in ([1, 4], [0, 2, 5]):
        label, truth = rng.choice(classes, 80), rng.choice(classes, 200)
        train, test = (
            (rng.normal(size=(len(y), 4)) + y[:, None] / 3).astype(np.float32)
            for y in (label, truth)
        )
        scale = StandardScaler().fit(train)
        model = LogisticRegression(max_iter=1000).fit(scale.transform(train), label)
        odds = model.predict_proba(scale.transform(test))
        found = read_out(train, label, test, truth)
        assert found.fine == pytest.approx((model.predict(scale.transform(test)) == truth).mean())
        coarse = np.where(truth == classes[0], 0, 1)
        inside = inside_of(label, np.where(label == classes[0], 0, 1), 6, 2)
        found = read_out(train, label, test, truth, coarse, inside)
        if len(classes) == 2:
            assert (found.inside, found.num_inside) == (None, 0)
        else:
            rows = coarse == 1
            best = np.array(classes)[1:][odds[rows, 1:].argmax(1)]
            assert found.inside == pytest.approx((best == truth[rows]).mean())


def test_some_images_of_each_class():
    """At most so many, all where there are fewer, none without a class; the seed decides."""
    label = np.repeat([0, 1, -1, 2], [10, 3, 20, 5])
    found = some_of_each(label, 4, np.random.default_rng(0))
    assert np.bincount(label[found]).tolist() == [4, 3, 4]
    assert (np.diff(found) > 0).all()
    again = some_of_each(label, 4, np.random.default_rng(0))
    assert (found == again).all()
    other = [some_of_each(label, 4, np.random.default_rng(s)).tolist() for s in range(5)]
    assert len({tuple(one) for one in other}) > 1
