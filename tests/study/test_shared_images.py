"""Results of different images are compared on the images that all of them have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_study import fake_result, write_result
from numpy.typing import NDArray
from told import Told

from granctl.errors import MixedResultsError
from granctl.study.difficulty import DifficultySpec
from granctl.study.levelscores import levels_part
from granctl.study.report import report_of
from granctl.study.results import load_results
from granctl.study.sharedimages import shared_checksums
from granctl.study.summary import Panel, summarise
from granctl.train.predictions import Kept, Predictions
from granctl.workspace import Workspace

NUM = 20
ALL = tuple(range(NUM))


def write(
    folder: Path, images: tuple[int, ...], wrong: set[int], kept: bool = True, **about: Any
) -> Path:
    """A result of some of 20 images; those in `wrong` have the second class as their answer."""
    right = np.array([i not in wrong for i in images])
    record = fake_result(top1=float(right.mean()), n=len(images), **about)
    if not kept:
        return write_result(folder, record)
    predictions = Kept(
        answers=answers(right),
        checksums=np.array([f"{i:032x}" for i in images], dtype="S32"),
        split="test",
        shards_digest="s",
        labels_digest="l",
        result_digest=record["digest"],
    )
    path = write_result(folder, {**record, "predictions": predictions.record()})
    predictions.write(path.parent / "predictions.parquet")
    return path


def answers(right: NDArray[np.bool_]) -> Predictions:
    """Two classes; the first is every image's."""
    num = len(right)
    return Predictions(
        class_ids=("a", "b"),
        class_names=("a", "b"),
        sigmoid=False,
        offsets=np.arange(num + 1),
        classes=np.zeros(num, dtype=np.int32),
        loss=(~right).astype(np.float32),
        margin=right.astype(np.float32),
        top=(~right).astype(np.int32)[:, None],
        top_logp=np.zeros((num, 1), dtype=np.float32),
        logp=None,
    )


def leak(*images: int) -> dict[str, Any]:
    return {"leaked": {"images": len(images), "by": "checksum", "kept": False}}


def without(*images: int) -> tuple[int, ...]:
    return tuple(i for i in ALL if i not in images)


def panels_of(results: Path) -> tuple[Panel, ...]:
    return summarise(load_results(Workspace(results.parent)))


@pytest.fixture
def results(workspace_folder: Path) -> Path:
    """The results folder of a workspace: depth-5 never saw a test image, leaf saw the last."""
    folder = workspace_folder / "results"
    for seed in (0, 1):
        wrong = {0, 1, 2, 19} if seed else {0, 1, 2, 3, 19}
        write(folder, ALL, wrong, cut="depth-5", seed=seed)
        write(folder, without(19), {0}, cut="leaf", method="leaf", classes=10, seed=seed, **leak(1))
    write(folder, ALL, set(range(10)), cut=None)
    return folder


def test_one_leaked_image_counts_for_none(results: Path) -> None:
    """The other results lose it too, so means and differences are of the same 19 images."""
    (panel,) = panels_of(results)
    assert (panel.images, panel.left_out) == (19, 1)
    tops = {p.cut: [r["top1"] for r in p.results] for p in panel.points}
    assert tops["depth-5"] == pytest.approx([15 / 19, 16 / 19])
    assert tops["leaf"] == pytest.approx([18 / 19] * 2)
    assert tops["target alone"] == pytest.approx([9 / 19])
    gain = next(p.to_coarsest for p in panel.points if p.cut == "leaf")
    assert gain is not None
    assert gain.mean == pytest.approx(2.5 / 19)


def test_scores_of_other_images_are_not_shown(results: Path) -> None:
    """The levels of a result are of its own images: no table of them beside the new top-1."""
    level = {"cut": "depth-1", "classes": 2, "top1": 0.9, "nll": 0.1, "n": NUM, "left_out": 0}
    every = [{**r, "levels": [level]} for r in load_results(Workspace(results.parent))]
    (panel,) = summarise(every)
    assert levels_part([panel]) is None
    assert not any("mean_per_class" in r for p in panel.points for r in p.results)
    alike = summarise([r for r in every if r["n"] == NUM])
    assert levels_part(alike) is not None, "where all are of the same images, they stay"


def test_equal_numbers_may_be_of_other_images(workspace_folder: Path) -> None:
    """Each run leaked one image, and not the same one: 18 are left to both."""
    folder = workspace_folder / "results"
    write(folder, without(0), {19}, cut="depth-5", **leak(0))
    write(folder, without(19), {0}, cut="leaf", method="leaf", classes=10, **leak(19))
    (panel,) = panels_of(folder)
    assert (panel.images, panel.left_out) == (18, 2)
    assert [p.top1.mean for p in panel.points] == [1, 1]


def test_report_says_how_many_images_are_left_out(results: Path) -> None:
    """In a note, under the table, and as a field of each row; hard images are the shared ones."""
    told = Told()
    spec = DifficultySpec(cut="depth-5", bins=2)
    artefact, _, hard = report_of(Workspace(results.parent), [], None, told, spec)
    sentence = "of the 19 images that every result was scored on; left out: 1 image that only some"
    assert any(sentence in note for note in told.notes)
    assert sentence in (artefact.path / "table.md").read_text()
    assert sentence in (artefact.path / "report.html").read_text()
    assert {(r["n_images"], r["images_left_out"]) for r in artefact.details["rows"]} == {(19, 1)}
    assert [row.images for row in hard[0].sources[0].rows[-1:]] == [19]


def test_without_predictions_different_images_are_refused(workspace_folder: Path) -> None:
    """Which images a result has in common with another stands nowhere else."""
    folder = workspace_folder / "results"
    write(folder, ALL, {0}, cut="depth-5")
    path = write(folder, without(19), {0}, kept=False, cut="leaf", method="leaf", **leak(19))
    with pytest.raises(MixedResultsError, match=r"n is (20|19) in .* and (20|19) in") as caught:
        panels_of(folder)
    assert f"{path} keeps no predictions" in caught.value.message
    assert "transfer again" in caught.value.hint
    assert "granctl report RESULT" in caught.value.hint


def test_results_without_a_common_image_are_refused(workspace_folder: Path) -> None:
    """Nothing can be said of both."""
    folder = workspace_folder / "results"
    write(folder, ALL[:9], {0}, cut="depth-5")
    write(folder, ALL[9:], {19}, cut="leaf", method="leaf")
    with pytest.raises(MixedResultsError, match="no image is in all"):
        panels_of(folder)


def test_heads_of_other_classes_of_the_target_share_no_panel(workspace_folder: Path) -> None:
    """Though they answer for as many images; a leak within one panel is no other panel."""
    folder = workspace_folder / "results"
    about: dict[str, Any] = {"how": "grouped", "classes": 5}

    def head(cut: str, images: tuple[int, ...], reached: str, **leaked: Any) -> None:
        grouping = {"images_not_scored": NUM - len(images), "reached_digest": reached}
        write(folder, images, {images[0]}, cut=cut, grouping=grouping, **about, **leaked)

    head("depth-5", ALL[:10], "first classes")
    head("depth-6", ALL[10:], "last classes")
    head("depth-7", ALL[10:19], "last classes", **leak(19))
    panels = panels_of(folder)
    assert [[p.cut for p in panel.points] for panel in panels] == [
        ["depth-6", "depth-7"],
        ["depth-5"],
    ]
    assert [panel.options["images"] for panel in panels] == [9, 10]
    assert panels[0].points[0].top1.mean == pytest.approx(8 / 9)


def test_copies_of_an_image_are_shared_where_all_have_as_many() -> None:
    """A checksum that one has twice and another once stands for different images."""
    first, second = (np.array(sums, dtype="S32") for sums in (["b", "a", "a", "c"], ["a", "b"]))
    shared, left_out = shared_checksums([first, second])
    assert (shared.tolist(), left_out) == ([b"b"], 3)
    shared, left_out = shared_checksums([first, first[::-1]])
    assert (shared.tolist(), left_out) == ([b"a", b"b", b"c"], 0)
