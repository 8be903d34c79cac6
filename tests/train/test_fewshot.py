"""Few-shot regression and nearest neighbours, against scikit-learn on features made here."""

import numpy as np
import pytest
import torch
from test_linear import labelling_of, made_features

from granctl.train.evaluate import score
from granctl.train.fewshot import Ridge as Ours
from granctl.train.knn import neighbours, voted

CPU = torch.device("cpu")


@pytest.mark.parametrize(("num", "ridge"), [(40, 1024.0), (12, 3.0)], ids=["more", "fewer"])
@pytest.mark.parametrize("several", [False, True])
def test_few_shot_scores_are_those_of_ridge_regression(num, ridge, several, monkeypatch):
    """scikit-learn's Ridge on standardised rows with a constant column of 100, targets -1 and 1.

    With more images than features, and with fewer.
    """
    from sklearn.linear_model import Ridge

    monkeypatch.setattr("granctl.train.fewshot._ROWS", 7)
    train, truth = made_features(num, 4, 20, seed=0)
    test, _ = made_features(15, 4, 20, seed=1)
    if several:
        truth = labelling_of([[c, (c + 1) % 4] for c in truth.main_class.tolist()], 4)
    parts = list(Ours.of(train, truth, ridge).says(test))
    assert np.concatenate([which for _, which in parts]).tolist() == list(range(15))
    found = np.concatenate([scores for scores, _ in parts])

    mean, sd = train.mean(0, dtype=float), train.std(0, dtype=float) + 1e-5
    rows, asked = (np.pad((x - mean) / sd, ((0, 0), (0, 1))) for x in (train, test))
    rows[:, -1] = asked[:, -1] = 100.0
    wanted = 2.0 * truth.multi_hot(np.arange(num)) - 1.0
    long = Ridge(alpha=ridge, fit_intercept=False, solver="cholesky").fit(rows, wanted)
    assert np.allclose(found, long.predict(asked), atol=1e-5)
    assert np.abs(found).max() > 0.1


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 20])
def test_votes_are_those_of_scikit_learn(k, monkeypatch):
    """KNeighborsClassifier by cosine distance with the weights exp((1 - d) / T)."""
    from sklearn.neighbors import KNeighborsClassifier

    monkeypatch.setattr("granctl.train.knn._ROWS", 37)
    monkeypatch.setattr("granctl.train.knn._QUERIES", 11)
    train, truth = made_features(300, 5, 8, seed=0)
    test, _ = made_features(60, 5, 8, seed=1)
    train, test = unit(train), unit(test)
    found = list(voted(train, truth, test, k, 0.07, CPU, sigmoid=False))
    assert np.concatenate([which for _, which in found]).tolist() == list(range(60))
    logits = np.concatenate([part for part, _ in found])
    assert logits.dtype == np.float32
    theirs = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07)
    ).fit(train, truth.main_class)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.allclose(shares, theirs.predict_proba(test), atol=1e-4)
    if k > 1:
        assert (np.sort(shares, axis=1)[:, -2] > 0.1).any()


def test_neighbours_in_chunks_and_as_halves_are_the_nearest(monkeypatch):
    """The same rows as by sorting all similarities; float16 moves a similarity by 0.001 at most."""
    rows = unit(np.random.default_rng(0).normal(size=(200, 16)))
    asked = unit(np.random.default_rng(1).normal(size=(9, 16)))
    all_of_them = asked @ rows.T
    wanted = np.argsort(-all_of_them, axis=1, kind="stable")[:, :7]
    monkeypatch.setattr("granctl.train.knn._ROWS", 13)
    similarity, index = neighbours(rows, asked, 7, CPU)
    assert index.tolist() == wanted.tolist()
    assert np.allclose(similarity, np.take_along_axis(all_of_them, wanted, 1), atol=1e-6)
    halves, _ = neighbours(rows.astype(np.float16), asked.astype(np.float16), 7, CPU)
    assert np.allclose(halves, similarity, atol=1e-3)


def test_an_image_of_several_classes_votes_for_each():
    """One neighbour of two classes says yes to both, and no to the third."""
    truth = labelling_of([[0, 2], [1]], 3)
    rows = np.eye(2, dtype=np.float32)
    ((logits, _),) = voted(rows, truth, rows[:1], 1, 0.07, CPU, sigmoid=True)
    assert (1 / (1 + np.exp(-logits[0]))).round(6).tolist() == [1.0, 0.0, 1.0]


def test_a_class_without_votes_has_no_likelihood():
    """Its logit is minus infinity, so the likelihood of such a truth is said to be none."""
    rows = np.eye(3, dtype=np.float32)
    truth = labelling_of([[0], [1], [2]], 3)
    right = score(voted(rows, truth, rows, 1, 0.07, CPU, sigmoid=False), truth)
    assert (right.top1, right.nll) == (1.0, 0.0)
    turned = voted(rows, truth, rows[[1, 0, 2]], 1, 0.07, CPU, sigmoid=False)
    wrong = score(turned, truth)
    assert (wrong.correct, wrong.nll) == (1, None)
