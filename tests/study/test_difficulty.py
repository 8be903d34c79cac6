"""Hard images: who judges, how bins are made, and where a gain lies that was put in."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_study import fake_result, write_result
from numpy.typing import NDArray
from told import Told

from granctl.errors import (
    BadOptionError,
    BadPredictionsError,
    NoPredictionsError,
    NoSuchSourceError,
    OtherPredictionsError,
    TooFewSeedsError,
)
from granctl.progress import Silent
from granctl.study import difficultyview as view
from granctl.study.difficulty import (
    DifficultyPanel,
    DifficultySpec,
    _gains,
    _judged,
    _Seen,
    by_difficulty,
    equal_bins,
)
from granctl.study.results import load_results
from granctl.study.summary import summarise
from granctl.train.predictions import Kept, Predictions
from granctl.workspace import Workspace

IMAGES = 400
HARD = np.linspace(0, 1, IMAGES)
"""How hard each made-up image is: the loss of the coarse networks, but for noise."""
CUTS = {"depth-5": 2, "depth-7": 5, "leaf": 10}


def answers_of(right: NDArray[np.bool_], loss: NDArray[np.floating]) -> Predictions:
    """Two classes; the first is every image's."""
    top = np.where(right, 0, 1)[:, None].astype(np.int32)
    return Predictions(
        class_ids=("a", "b"),
        class_names=("a", "b"),
        sigmoid=False,
        offsets=np.arange(IMAGES + 1),
        classes=np.zeros(IMAGES, dtype=np.int32),
        loss=loss.astype(np.float32),
        margin=(0.7 - loss).astype(np.float32),
        top=top,
        top_logp=np.zeros((IMAGES, 1), dtype=np.float32),
        logp=None,
    )


def write_with_predictions(
    folder: Path, record: dict[str, Any], answers: Predictions, shift: int = 0
) -> Path:
    """A result and its predictions, as `granctl transfer` writes them."""
    order = np.random.default_rng(record["seed"]).permutation(IMAGES)  # any order will do
    sums = np.array([f"{i + shift:032x}" for i in range(IMAGES)], dtype="S32")
    parts = {name: getattr(answers, name)[order] for name in ("loss", "margin", "top", "top_logp")}
    about = {"split": "test", "shards_digest": "s", "labels_digest": "l"}
    kept = Kept(
        answers=Predictions(**{**_fields(answers), **parts}),
        checksums=sums[order],
        result_digest=record["digest"],
        **about,
    )
    path = write_result(folder, {**record, "predictions": kept.record()})
    kept.write(path.parent / "predictions.parquet")
    return path


def _fields(answers: Predictions) -> dict[str, Any]:
    names = ("class_ids", "class_names", "sigmoid", "offsets", "classes", "logp", "probabilities")
    return {name: getattr(answers, name) for name in names}


def write_study(folder: Path, seeds: int = 3) -> None:
    """Finer cuts are right more often, on the hardest two fifths alone: by 0.2 and by 0.4 there."""
    for seed in range(seeds):
        for index, (cut, classes) in enumerate(CUTS.items()):
            rng = np.random.default_rng([seed, index])
            chance = np.where(HARD < 0.6, 0.9, 0.3 + 0.2 * index)
            right = rng.random(IMAGES) < chance
            loss = HARD + rng.normal(0, 0.02, IMAGES)
            top1 = float(right.mean())
            record = fake_result(cut=cut, classes=classes, top1=top1, seed=seed, n=IMAGES)
            if cut == "leaf":
                record["source"]["method"] = "leaf"
            write_with_predictions(folder, record, answers_of(right, loss))
    record = fake_result(cut=None, top1=0.5, seed=0, n=IMAGES)
    write_with_predictions(folder, record, answers_of(np.arange(IMAGES) % 2 == 0, HARD))


@pytest.fixture
def results(workspace_folder: Path) -> Path:
    """The results folder of a workspace with the made-up study."""
    write_study(workspace_folder / "results")
    return workspace_folder / "results"


def binned(results: Path, **asked: Any) -> DifficultyPanel:
    spec = DifficultySpec(**{"cut": "depth-5", **asked})
    panels = summarise(load_results(Workspace(results.parent)))
    return by_difficulty(panels, spec, Silent())[0]


def test_a_gain_that_was_put_in_is_found_where_it_is(results: Path) -> None:
    """0.4 on the two hard bins, none on the others; nearly all of it is their share."""
    panel = binned(results)
    assert [s.point.cut for s in panel.sources] == ["depth-5", "depth-7", "leaf", "target alone"]
    assert [s.seeds for s in panel.sources] == [3, 3, 3, 1]
    leaf = panel.sources[2]
    assert [r.bin for r in leaf.rows] == ["1", "2", "3", "4", "5", "hard", "all"]
    assert [r.images for r in leaf.rows] == [80] * 5 + [160, 400]
    hard, whole = leaf.rows[-2], leaf.rows[-1]
    assert hard.gain is not None
    assert whole.gain is not None
    assert hard.share is not None
    assert hard.gain.mean == pytest.approx(0.4, abs=0.08)
    assert whole.gain.mean == pytest.approx(0.16, abs=0.05)
    assert hard.share.mean == pytest.approx(1, abs=0.15)
    assert hard.share.low is not None
    assert hard.share.high is not None
    assert 0.3 < hard.share.low < hard.share.mean < hard.share.high < 1.7
    for row in leaf.rows[:3]:
        assert row.gain is not None
        assert abs(row.gain.mean) < 0.08
    assert panel.sources[0].rows[0].gain is None
    alone = panel.sources[3].rows[-1].gain
    assert alone is not None
    assert alone.low is None
    assert alone.mean == pytest.approx(0.5 - _top1(results, 0), abs=1e-6)


def _top1(results: Path, seed: int) -> float:
    found = load_results(Workspace(results.parent))
    (one,) = (
        r["top1"]
        for r in found
        if r["source"] and r["source"]["cut"] == "depth-5" and r["seed"] == seed
    )
    return float(one)


def test_top1_of_a_bin_is_counting(results: Path) -> None:
    """An image at a time: difficulty is the mean loss of the two other seeds."""
    panel = binned(results, bins=4)
    for index, (source, cut) in enumerate(zip(panel.sources, CUTS, strict=False)):
        expected = np.zeros(4)
        for seed in range(3):
            others = [np.random.default_rng([s, 0]) for s in range(3) if s != seed]
            losses = []
            for rng in others:
                rng.random(IMAGES)
                losses.append((HARD + rng.normal(0, 0.02, IMAGES)).astype(np.float32))
            order = np.argsort(np.mean(losses, axis=0, dtype=np.float64))
            chance = np.where(HARD < 0.6, 0.9, 0.3 + 0.2 * index)
            right = np.random.default_rng([seed, index]).random(IMAGES) < chance
            expected += [right[part].mean() / 3 for part in np.split(order, 4)]
        assert source.point.cut == cut
        assert [r.top1 for r in source.rows[:4]] == pytest.approx(expected.tolist())


def test_a_panel_that_cannot_be_judged_takes_no_other_with_it(results: Path) -> None:
    """A try of one seed stands in the workspace: it is left out, and the study is scored."""
    record = fake_result(cut="depth-5", top1=0.5, n=IMAGES, steps=7)
    write_with_predictions(results, record, answers_of(HARD < 0.5, HARD))
    spec = DifficultySpec(cut="depth-5")
    found = by_difficulty(summarise(load_results(Workspace(results.parent))), spec, Silent())
    assert [len(panel.sources) for panel in found] == [4]


def test_no_network_judges_the_images_it_is_scored_on(results: Path, tmp_path: Path) -> None:
    """Another seed of the transfer on the same pretraining is no other seed."""
    folder = tmp_path / "shared" / "results"
    for seed in range(2):
        record = fake_result(cut="depth-5", top1=0.5, seed=seed, n=IMAGES)
        record["source"] |= {"run_seed": 0}
        write_with_predictions(folder, record, answers_of(HARD < 0.5, HARD))
    with pytest.raises(TooFewSeedsError) as caught:
        binned(folder)
    assert "seed 0 alone" in caught.value.message
    (panel,) = summarise(load_results(Workspace(results.parent)))
    nothing = np.zeros(3, dtype=bool)
    seen = [
        _Seen(seed=s, run_seed=s, right=nothing, loss=np.full(3, s, "f4"), margin=np.zeros(3, "f4"))
        for s in (0, 1, 5)
    ]
    for seed, expected in ((0, 3.0), (1, 2.5), (5, 0.5)):
        judged = _judged(panel, DifficultySpec(cut="depth-5"), seed, [seen], 0)
        assert judged.tolist() == [expected] * 3


def test_scores_have_no_loss_and_that_is_said(workspace_folder: Path) -> None:
    """Few-shot answers are left out of `--by loss` aloud, or refused with the mend."""
    folder = workspace_folder / "results"
    write_study(folder)
    for seed in range(2):
        record = fake_result(cut="depth-5", how="fewshot", seed=seed, n=IMAGES, per_class=None)
        scores = replace(answers_of(HARD < 0.5, HARD), probabilities=False)
        write_with_predictions(folder, record, scores)
    panels = summarise(load_results(Workspace(folder.parent)))
    told = Told()
    found = by_difficulty(panels, DifficultySpec(cut="depth-5"), told)
    assert [panel.panel.method for panel in found] == ["finetune"]
    assert any("scores, no probabilities" in note and "--by margin" in note for note in told.notes)
    few = [panel for panel in panels if panel.method == "fewshot"]
    with pytest.raises(BadOptionError, match="have no loss") as caught:
        by_difficulty(few, DifficultySpec(cut="depth-5"), told)
    assert "mistakes" in caught.value.hint
    (by_margin,) = by_difficulty(few, DifficultySpec(cut="depth-5", by="margin"), told)
    assert by_margin.panel.method == "fewshot"


def test_bins_are_equal_and_ties_go_by_checksum() -> None:
    """Any order of the images gives each the same bin."""
    sums = np.array([f"{i:032x}" for i in range(11)], dtype="S32")
    difficulty = np.array([0.0, 1, 1, 1, 1, 1, 0, np.inf, 1, 0, 1])
    bins = equal_bins(difficulty, sums, 3)
    assert np.bincount(bins).tolist() == [4, 4, 3]
    assert bins.tolist() == [0, 0, 1, 1, 1, 1, 0, 2, 2, 0, 2]
    order = np.random.default_rng(0).permutation(11)
    assert (equal_bins(difficulty[order], sums[order], 3) == bins[order]).all()


@pytest.mark.parametrize("by", ["loss", "margin", "mistakes"])
def test_each_measure_of_difficulty_sorts_the_images(results: Path, by: str) -> None:
    """The coarse networks are right less often, bin by bin, where the measure knows."""
    rows = binned(results, by=by).sources[0].rows
    lows = [r.difficulty[0] for r in rows[:5]]
    assert lows == sorted(lows)
    assert rows[0].top1 > rows[4].top1 + 0.2


def test_intervals_of_a_gain_and_its_share_cover_the_truth() -> None:
    """200 studies of 3 seeds with hard images, and seeds that differ: 95 % or a little more."""
    rng, covered = np.random.default_rng(5), np.zeros(2)
    member = np.array([[1.0, 0, 0], [0, 1, 1], [1, 1, 1]])
    truth = np.array([0.1, 0.2, 0.3])  # the two hard bins gain 0.25, and hold 5/6 of the gain
    for _ in range(200):
        bins = np.arange(120) * 3 // 120
        effect = truth[bins] + rng.normal(0, 0.02, (3, 1)) + rng.normal(0, 0.1, 120)
        gain = effect + rng.normal(0, 0.3, (3, 120))
        inside = np.stack([np.tile(bins == b, (3, 1)) for b in range(3)], axis=1)
        gains, shares = _gains(gain, inside.astype(np.float32), member)
        found = (gains[1], shares[1])
        for i, (value, true) in enumerate(zip(found, (0.25, 5 / 6), strict=True)):
            if value is None:  # the gain is not told from none, and so no share of it
                covered[i] += 1
            else:
                assert value.low is not None
                assert value.high is not None
                covered[i] += value.low <= true <= value.high
    assert (covered / 200 >= 0.93).all()


def test_what_is_missing_or_does_not_belong_is_said(results: Path, tmp_path: Path) -> None:
    """Each fault with its file and a mend."""
    with pytest.raises(NoSuchSourceError, match="depth-6") as unknown:
        binned(results, cut="depth-6")
    assert "depth-5" in unknown.value.hint
    with pytest.raises(BadOptionError, match=f"{IMAGES + 1} bins for {IMAGES} images"):
        binned(results, bins=IMAGES + 1)
    for asked in (("leaf", "loss", 1), ("leaf", "size", 5), (None, "loss", None), (None, None, 4)):
        with pytest.raises(BadOptionError):
            DifficultySpec.from_options(*asked)
    assert DifficultySpec.from_options(None, None, None) is None
    assert DifficultySpec.from_options("leaf", None, 3) == DifficultySpec(cut="leaf", bins=3)
    one = tmp_path / "one" / "results"
    write_study(one, seeds=1)
    with pytest.raises(TooFewSeedsError) as few:
        binned(one)
    assert "--seed" in few.value.hint
    record = fake_result(cut="depth-5", top1=0.4, seed=7, n=IMAGES)
    other = write_with_predictions(results, record, answers_of(HARD < 0.4, HARD), shift=IMAGES)
    with pytest.raises(OtherPredictionsError, match="of different images"):
        binned(results)
    write_result(results, {**record, "predictions": {"file": "predictions.parquet", "digest": "x"}})
    with pytest.raises(BadPredictionsError, match=r"not the file that result\.json names"):
        binned(results)
    (other.parent / "predictions.parquet").unlink()
    with pytest.raises(NoPredictionsError) as gone:
        binned(results)
    assert "granctl transfer" in gone.value.hint
    write_result(results, record)
    with pytest.raises(NoPredictionsError):
        binned(results)


def test_tables_hold_the_numbers(results: Path) -> None:
    """CSV, Markdown and the terminal's table are of the same rows."""
    panels = [binned(results)]
    records = view.records(panels)
    assert len(records) == 4 * 7
    read = list(csv.DictReader(io.StringIO(view.as_csv(panels))))
    assert [r["top1_mean"] for r in read] == [str(r["top1_mean"]) for r in records]
    text = view.as_markdown(panels)
    assert "| top-1 % | 1 | 2 | 3 | 4 | 5 | hard 2 | all |" in text
    assert "leaf less depth-5: +" in text
    assert "the hardest 40 % of the images hold" in text
    _, columns, rows = view.terminal_table(panels)
    assert all(len(row) == len(columns) for row in rows)


def test_report_writes_difficulty_beside_its_files(granctl: Callable, results: Path) -> None:
    """The options of the command; the same again is there already, and the same bytes."""
    asked = ("report", "--difficulty", "depth-5", "--by", "margin", "--bins", 4)
    done = granctl(*asked)
    names = {p.name for p in done.path.iterdir()}
    assert {"difficulty.csv", "difficulty.md", "difficulty.svg", "table.csv"} <= names
    assert "by difficulty" in done.err
    assert done.path != granctl("report").path
    again = granctl(*asked, "--out", results.parent / "again", "--json").json
    assert len(again["difficulty"]) == 4 * 6
    for name in ("difficulty.csv", "difficulty.md", "difficulty.svg"):
        first, second = (Path(p) / name for p in (done.path, again["path"]))
        assert first.read_bytes() == second.read_bytes(), name
    refused = granctl("report", "--difficulty", "depth-6")
    assert (refused.code, refused.out) == (2, "")
    assert "hint: did you mean depth-7 or depth-5?" in refused.err
