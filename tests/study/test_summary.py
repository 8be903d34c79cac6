"""Means, intervals, pairing and the sentence they carry."""

from __future__ import annotations

import pytest
from made_up_study import fake_result, u_curve

from granctl.errors import MixedResultsError
from granctl.study.answer import answer
from granctl.study.estimates import estimate, t_quantile
from granctl.study.summary import TARGET_ALONE, difference, summarise


def loaded(records: list[dict]) -> list[dict]:
    return [{**r, "path": f"/results/{i}/result.json"} for i, r in enumerate(records)]


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 10, 30, 99])
def test_t_quantile_agrees_with_scipy(df: int) -> None:
    """The finite sums give scipy's 0.975 quantile."""
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(df) == pytest.approx(stats.t.ppf(0.975, df), abs=1e-9)


def test_estimate_of_three_values() -> None:
    """Mean, deviation with n - 1 and the t-interval of a case worked by hand."""
    found = estimate([0.80, 0.82, 0.84])
    assert found.mean == pytest.approx(0.82)
    assert found.sd == pytest.approx(0.02)
    half = 4.302652729911275 * 0.02 / 3**0.5
    assert (found.low, found.high) == pytest.approx((0.82 - half, 0.82 + half))


def test_one_value_has_no_deviation() -> None:
    """A single seed gives a mean and nothing that would need a second."""
    found = estimate([0.8])
    assert (found.mean, found.sd, found.low, found.high) == (0.8, None, None, None)
    assert not found.excludes_zero


def test_differences_are_paired_by_seed() -> None:
    """What a seed adds to both sides cancels; a seed without partner is left out."""
    ours = [fake_result(cut="a", top1=0.8 + s / 100, seed=s) for s in (0, 1, 2, 9)]
    theirs = [fake_result(cut="b", top1=0.7 + s / 100, seed=s) for s in (0, 1, 2)]
    found = difference(ours, theirs)
    assert found is not None
    assert found.n == 3
    assert found.mean == pytest.approx(0.1)
    assert found.sd == pytest.approx(0, abs=1e-12)
    assert difference(ours, [fake_result(cut="b", seed=5)]) is None


def test_panels_hold_one_target_each() -> None:
    """Two targets give two panels, the coarse one first, each with its eight sources."""
    panels = summarise(loaded(u_curve()))
    assert [p.target for p in panels] == ["embedded@depth-7", "embedded@leaf"]
    for panel in panels:
        assert len(panel.points) == 8
        assert {r["target"] for point in panel.points for r in point.results} == {panel.target}
        assert (panel.finest, panel.coarsest) == ("leaf", "depth-5")
        assert panel.points[-1].cut == TARGET_ALONE


def test_families_follow_the_method() -> None:
    """Cuts of the tree, clusters, random controls and the target alone are told apart."""
    (panel,) = summarise(loaded(u_curve(targets=[("embedded@depth-7", "depth-7", 5)])))
    families = {p.cut: p.family for p in panel.points}
    assert families["depth-5"] == families["leaf"] == "taxonomy"
    assert families["kmeans-40"] == "clusters"
    assert families["random-like-leaf"] == "random"


def test_recipes_and_budgets_are_never_averaged() -> None:
    """Results that differ in steps or pretraining images stand in panels of their own."""
    short = [fake_result(cut="leaf", seed=s, top1=0.7) for s in (0, 1)]
    long = [fake_result(cut="leaf", seed=s, top1=0.9, steps=900) for s in (0, 1)]
    panels = summarise(loaded(short + long))
    assert sorted(p.points[0].top1.mean for p in panels) == pytest.approx([0.7, 0.9])


def test_random_maps_of_one_seed_are_several_values() -> None:
    """Two random maps of one training seed are both counted; pairing takes their mean."""
    maps = [fake_result(cut="random-like-leaf", method="random", top1=t) for t in (0.6, 0.62)]
    maps[1]["source"] |= {"labels_digest": "another", "params": {"classes": 2, "seed": 7}}
    leaf = fake_result(cut="leaf", method="leaf", classes=10, top1=0.8)
    (panel,) = summarise(loaded([*maps, leaf]))
    point = next(p for p in panel.points if p.family == "random")
    assert point.top1.n == 2
    assert point.to_finest is not None
    assert point.to_finest.mean == pytest.approx(-0.19)
    assert point.num_pretraining_runs == 1


def test_same_seed_twice_is_refused() -> None:
    """Two different results of one seed of one source cannot both be that seed's."""
    twice = [fake_result(cut="leaf", top1=t) for t in (0.7, 0.8)]
    with pytest.raises(MixedResultsError, match="seed 0") as caught:
        summarise(loaded(twice))
    assert "granctl report RESULT" in caught.value.hint


def test_one_target_measured_on_other_images_is_refused() -> None:
    """A target with two sizes of test set is not one target."""
    mixed = [fake_result(cut="leaf", n=2000), fake_result(cut="depth-5", n=1000)]
    with pytest.raises(MixedResultsError, match=r"n is 2000 in .* and 1000 in"):
        summarise(loaded(mixed))


def test_answer_names_what_the_intervals_carry() -> None:
    """The best is named; what its interval does not separate is said to be untold."""
    panel = summarise(loaded(u_curve()))[0]
    text = answer(panel)
    assert "pretraining on 10 classes (leaf) had the highest mean top-1, 83.3 % (3 seeds)" in text
    assert "lies above kmeans-160, depth-7, depth-6 and 3 more" in text
    assert text.endswith("cannot be told from kmeans-40.")


def test_answer_of_one_seed_claims_nothing() -> None:
    """With one seed no difference is claimed."""
    text = answer(summarise(loaded(u_curve(seeds=[0])))[0])
    assert "no difference can be told from chance" in text
    assert "above" not in text


def test_answer_when_nothing_can_be_told() -> None:
    """Noise larger than the gap: the highest mean is named and nothing else is claimed."""
    tops = {"leaf": (0.80, 0.70, 0.78), "depth-5": (0.72, 0.79, 0.76)}
    records = [
        fake_result(cut=cut, top1=top, seed=seed)
        for cut, values in tops.items()
        for seed, top in enumerate(values)
    ]
    text = answer(summarise(loaded(records))[0])
    assert "it cannot be told from depth-5" in text
    assert "above" not in text


def test_answer_of_one_source_compares_nothing() -> None:
    """A single source has nothing to be better than."""
    text = answer(summarise(loaded([fake_result(cut=None, top1=0.7)]))[0])
    assert "training on the target alone reached 70.0 % top-1 (1 seed)" in text
    assert "nothing to compare" in text


def public_result(top1: float, seed: int = 0, **others: object) -> dict:
    """Of public weights: no cut, no classes, no pretraining of ours."""
    record = fake_result(cut="timm:resnet50.a1_in1k", method="public", top1=top1, seed=seed)
    nothing = ("classes_total", "classes_present", "labels_digest", "recipe", "images_seen")
    return {
        **record,
        "source": {**record["source"], **dict.fromkeys(nothing), "run_digest": "weights"},
        "digest": f"public-{top1}-{seed}-{others}",
        **others,
    }


def test_public_weights_stand_in_every_panel_of_their_target_and_method() -> None:
    """Without a number of classes, before the target alone; never the finest or the coarsest."""
    results = [*u_curve(), public_result(0.95, 0), public_result(0.97, 1)]
    panel, other = summarise(loaded(results))
    point = panel.points[-2]
    assert (point.cut, point.family) == ("timm:resnet50.a1_in1k", "public")
    assert point.classes_present is point.classes_total is None
    assert point.top1.mean == pytest.approx(0.96)
    assert point.to_finest is not None
    assert (panel.finest, panel.coarsest) == ("leaf", "depth-5")
    assert "public" not in {p.family for p in other.points}
    assert "the public weights timm:resnet50.a1_in1k had the highest mean" in answer(panel)


def test_public_weights_of_other_steps_are_points_of_their_own() -> None:
    """They share no mean; of a method that nothing else was measured by they are a panel."""
    results = [public_result(0.9), public_result(0.8, steps=7), public_result(0.7, method="linear")]
    panels = summarise(loaded(results))
    assert {p.method: [q.top1.mean for q in p.points] for p in panels} == {
        "finetune": [0.9, 0.8],
        "linear": [0.7],
    }


def test_public_weights_of_other_recipe_size_or_numbers_share_no_mean() -> None:
    """Each is a line of its own, and its name says in what it differs."""
    base = public_result(0.9)
    other = {**base["source"], "run_digest": "other numbers"}
    results = [
        base,
        public_result(0.7, recipe="own"),
        public_result(0.6, resolution=56),
        {**public_result(0.5), "source": other},
    ]
    (panel,) = summarise(loaded(results))
    assert sorted(p.top1.mean for p in panel.points) == pytest.approx([0.5, 0.6, 0.7, 0.9])
    names = [p.cut for p in panel.points]
    assert len(set(names)) == 4
    assert any("weights other number" in name for name in names)
    assert any("recipe own, resolution 28" in name for name in names)


def test_the_target_alone_is_compared_with_what_learns_from_as_many_images() -> None:
    """Few-shot regression has its shots; a run's own head learns from none."""
    scratch = [fake_result(cut=None, top1=t, per_class=n) for t, n in ((0.3, 5), (0.4, None))]
    shots = {"shots": [1, 5]}
    records = [
        fake_result(cut="leaf", how="fewshot", per_class=None, options=shots, n=2000),
        fake_result(cut="leaf", how="grouped", per_class=None),
        fake_result(cut="leaf", how="linear", per_class=None),
    ]
    panels = summarise(loaded([*scratch, *records]))
    found = {p.method: [q.top1.mean for q in p.points if q.cut == TARGET_ALONE] for p in panels}
    assert found == {"fewshot": [0.3], "grouped": [], "linear": [0.4]}


def asked(record: dict, **more: object) -> dict:
    """The result as it says what it was asked."""
    spec = {**record["provenance"]["spec"], **more}
    told = {**record["provenance"], "spec": spec}
    return {**record, "provenance": told, "digest": f"{record['digest']}{more}"}


def test_a_repeat_with_further_sets_stands_for_the_first() -> None:
    """It is the same network on the same images: one value, of the one that was asked more."""
    plain = fake_result(cut="leaf", top1=0.8)
    more = {**asked(plain, score_on={"v2": ["d", "test", "l"]}), "also": {"v2": {"top1": 0.7}}}
    (panel,) = summarise(loaded([more, plain]))
    assert [r["digest"] for r in panel.points[0].results] == [more["digest"]]
    unknown = {**plain, "leaked": {"images": None, "by": "checksum", "kept": True}}
    known = {
        **asked(plain, leaked={"images": 1}),
        "leaked": {"images": 1, "by": "checksum", "kept": False},
    }
    (panel,) = summarise(loaded([unknown, known]))
    assert [r["digest"] for r in panel.points[0].results] == [known["digest"]]


def test_results_that_kept_leaks_are_a_panel_of_their_own() -> None:
    """Their score is of images that were pretrained on; the target alone stands beside both."""
    guarded = fake_result(cut="leaf", top1=0.8, leaked={"images": 0, "kept": False})
    kept = {**asked(guarded, leaks="keep"), "top1": 0.9, "leaks": "keep"}
    panels = summarise(loaded([guarded, kept, fake_result(cut=None, top1=0.5)]))
    assert [(dict(p.options), len(p.points)) for p in panels] == [({}, 2), ({"leaks": "keep"}, 2)]


def test_results_of_other_options_never_share_a_mean() -> None:
    """Neighbours of 10 and 20 are two panels, not two results that claim one seed."""
    records = [
        fake_result(cut=cut, classes=classes, seed=seed, how="knn", options={"k": k})
        for cut, classes in (("depth-5", 2), ("depth-6", 3))
        for seed in (0, 1)
        for k in (10, 20)
    ]
    panels = summarise(loaded(records))
    assert [dict(panel.options) for panel in panels] == [{"k": 10}, {"k": 20}]
    assert all(len(point.results) == 2 for panel in panels for point in panel.points)


def test_pretrainings_of_other_values_never_share_a_mean() -> None:
    """One recipe's name, another rate: no third seed, but a panel named by what differs."""
    records = [
        {**fake_result(cut="leaf", seed=seed), "pretraining": {"optimizer.lr": rate, "shards": "a"}}
        for seed, rate in ((0, 0.01), (1, 0.01), (2, 50.0))
    ]
    panels = summarise(loaded(records))
    assert [(dict(p.options), p.points[0].top1.n) for p in panels] == [
        ({"pretrained.optimizer.lr": 0.01}, 2),
        ({"pretrained.optimizer.lr": 50.0}, 1),
    ]


def test_runs_of_several_seeds_under_one_transfer_seed_are_paired_by_run() -> None:
    """`granctl transfer --run R` has seed 0 unless told: the runs' own seeds pair them."""
    records = []
    for cut, base in (("depth-5", 0.5), ("leaf", 0.6)):
        for run_seed in range(3):
            record = fake_result(cut=cut, top1=base + 0.01 * run_seed, seed=0)
            record["source"] |= {"run_seed": run_seed, "run_digest": f"{cut}{run_seed}"}
            records.append(record)
    alone = [fake_result(cut=None, top1=0.4 + 0.01 * seed, seed=seed) for seed in range(3)]
    (panel,) = summarise(loaded([*records, *alone]))
    named = {point.cut: point for point in panel.points}
    for point, gap in ((named["leaf"], 0.1), (named[TARGET_ALONE], -0.1)):
        found = difference(point.results, named["depth-5"].results)
        assert found is not None
        assert (found.n, found.mean, found.sd) == pytest.approx((3, gap, 0))


def test_trainings_of_other_values_never_share_a_mean() -> None:
    """A transfer with `--set` is a panel of its own, named by what differs; alone, a point."""

    def by(rate: float, **fields: object) -> dict:
        training = {"steps": 200, "optimizer": {"lr": rate, "name": "adamw"}}
        record = fake_result(top1=0.8, **fields)  # type: ignore[arg-type]
        return {**record, "provenance": {"spec": {"training": training}}}

    records = [by(rate, cut="leaf", seed=seed) for rate in (0.01, 0.02) for seed in (0, 1)]
    panels = summarise(loaded(records))
    assert [dict(panel.options) for panel in panels] == [
        {"optimizer.lr": 0.01},
        {"optimizer.lr": 0.02},
    ]
    alone = [by(rate, cut=None, seed=seed) for rate in (0.01, 0.02) for seed in (0, 1)]
    (panel,) = summarise(loaded([*records[:2], *alone]))
    assert dict(panel.options) == {}
    names = [point.cut for point in panel.points]
    assert names == ["leaf", "target alone (optimizer.lr 0.01)", "target alone (optimizer.lr 0.02)"]


def test_a_head_is_compared_with_heads_that_answer_for_as_many_images() -> None:
    """Grouped heads of 1,000 and 2,000 images stand apart, and beside other methods."""
    records = [
        fake_result(cut="depth-6", how="grouped", n=1000),
        fake_result(cut="leaf", how="grouped", n=2000),
        fake_result(cut="leaf", n=2000),
    ]
    panels = summarise(loaded(records))
    grouped = [panel for panel in panels if panel.method == "grouped"]
    assert sorted(panel.options["images"] for panel in grouped) == [1000, 2000]
    assert "with no labelled image" in answer(grouped[0])
