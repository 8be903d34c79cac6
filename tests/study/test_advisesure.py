"""How sure a ranking is, and what following it would have cost."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_study import u_curve

from granctl.study.advise import in_words
from granctl.study.adviseregret import Table, judged, kendall, mean_regret, spearman
from granctl.study.advisesure import sure
from granctl.study.estimates import t_quantile
from granctl.study.summary import summarise


def test_interval_of_repeated_divisions() -> None:
    """By hand: (1 / J + ratio) times the variance of the paired differences."""
    scores = np.array([[0.9, 0.8], [0.7, 0.65], [0.8, 0.7]])
    found = sure(scores, [5, 2], 0.25)
    gaps = scores[:, 0] - scores[:, 1]
    half = t_quantile(2) * np.sqrt((1 / 3 + 0.25) * gaps.var(ddof=1))
    assert found.order == (0, 1)
    assert found.behind[1].low == pytest.approx(gaps.mean() - half)
    assert found.behind[1].high == pytest.approx(gaps.mean() + half)
    assert found.behind[0].mean == 0
    assert found.tied == ((0, 1) if half > gaps.mean() else (0,))
    alone = sure(scores, [5, 2], 0.0)
    assert alone.behind[1].low > found.behind[1].low


def test_probability_of_two_that_differ_by_noise_and_one_far_off() -> None:
    """About one half each for two alike, and nothing for the third; they add up to one."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 3)) * 0.01
    noise -= noise.mean(axis=0)
    scores = np.array([0.8, 0.8, 0.7]) + noise
    found = sure(scores, [4, 2, 3], 0.1)
    assert found.order[0] in (0, 1)
    assert found.probability is not None
    assert sum(found.probability) == pytest.approx(1)
    assert found.probability[:2] == pytest.approx((0.5, 0.5), abs=0.03)
    assert found.probability[2] == 0
    assert set(found.tied) == {0, 1}


def test_equal_scores_go_to_the_fewer_classes() -> None:
    """Columns that are the same to rounding: the one with fewer classes is first, both are tied."""
    column = np.array([0.5, 0.6, 0.7])
    scores = np.stack([column, column + 1e-15, column - 0.3], axis=1)
    found = sure(np.round(scores, 14), [9, 3, 2], 0.0)
    assert found.order == (1, 0, 2)
    assert set(found.tied) >= {0, 1}
    assert found.probability == (0.0, 1.0, 0.0)


def test_what_cannot_be_told_apart_is_ranked_by_another_score() -> None:
    """Only among those: the third, which lies far behind, stays last whatever it has there."""
    scores = np.array([[0.80, 0.81, 0.3], [0.84, 0.82, 0.31], [0.82, 0.82, 0.32]])
    found = sure(scores, [2, 3, 4], 0.0, np.array([1.0, 2.0, 9.0]))
    assert found.highest == 0
    assert found.order == (1, 0, 2)
    assert found.tied == (1, 0)
    assert sure(scores, [2, 3, 4], 0.0).order == (0, 1, 2)


def test_words_claim_nothing_of_labels_that_do_not_meet() -> None:
    """Where no cut covers the target, equals stand by their means, not by what labels tell."""
    found = sure(np.array([[0.80, 0.81], [0.84, 0.82], [0.82, 0.82]]), [2, 3], 0.0)
    told = in_words("probe", ["x", "y"], found, by_labels=True)
    assert told.endswith("told from it; of these x tells most by its labels.")
    bare = in_words("probe", ["x", "y"], found, by_labels=False)
    assert bare.endswith("told from it.")


def test_what_is_counted_once_has_no_probability() -> None:
    """One row: a ranking, ties of equal scores, no interval."""
    found = sure(np.array([[1.0, 2.0, 2.0]]), [2, 9, 5], 0.0)
    assert found.order == (2, 1, 0)
    assert found.tied == (2, 1)
    assert found.probability is None
    assert (found.behind[0].mean, found.behind[0].low) == (1.0, None)


def test_rank_correlations_agree_with_scipy() -> None:
    """With equal values among them."""
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 5, 8).astype(float), rng.normal(size=8)
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
        assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert spearman(np.ones(3), np.arange(3.0)) is None
    assert kendall(np.ones(3), np.arange(3.0)) is None


def test_regret_is_what_the_named_cut_lies_below_the_best() -> None:
    """Paired by seed; of the leaf, of the target's own classes, of a cut by chance."""
    results = [{**r, "path": f"/r/{i}"} for i, r in enumerate(u_curve(seeds=range(5)))]
    panel = summarise(results)[0]
    points = [p for p in panel.points if p.classes_present is not None]
    names = [p.cut for p in points]
    means = np.array([p.top1.mean for p in points])
    wrong = np.array([[1.0 if name == "kmeans-160" else 0.0 for name in names]])
    tables = {"told": Table(scores=wrong, ratio=0.0), "right": Table(scores=means[None], ratio=0)}
    found = judged(panel, points, [name == "depth-7" for name in names], tables)
    assert found["best"]["cut"] == names[int(means.argmax())]
    row = found["rules"]["told"]
    best, named = points[int(means.argmax())], points[names.index("kmeans-160")]
    gaps = [a["top1"] - b["top1"] for a, b in zip(best.results, named.results, strict=True)]
    assert row["cut"] == "kmeans-160"
    assert row["regret"] == pytest.approx(np.mean(gaps))
    half = t_quantile(4) * np.std(gaps, ddof=1) / 5**0.5
    assert (row["low"], row["high"]) == pytest.approx((np.mean(gaps) - half, np.mean(gaps) + half))
    assert row["tied_has_best"] is False
    assert found["rules"]["right"]["regret"] == 0
    assert found["rules"]["right"]["spearman"] == pytest.approx(1)
    assert found["naive"]["leaf"]["cut"] == "leaf"
    assert found["naive"]["own"]["cut"] == "depth-7"
    assert found["naive"]["any"]["regret"] == pytest.approx(means.max() - means.mean())
    without = found["without_own"]
    assert without["best"]["cut"] != "depth-7"
    assert without["naive"]["own"] is None
    assert without["rules"]["told"]["cut"] == "kmeans-160"
    assert [cut["cut"] for cut in found["cuts"] if cut["own"]] == ["depth-7"]
    of_two = mean_regret([found, {**found, "naive": {"own": None}}])
    assert of_two["leaf"]["panels"] == 1
    assert of_two["told"] == {"mean": row["regret"], "worst": row["regret"], "panels": 2}
