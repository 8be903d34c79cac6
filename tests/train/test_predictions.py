"""Predictions that are kept: read as written, asked again, found out when they were changed."""

from __future__ import annotations

import dataclasses
import json
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from shapes import label_map
from test_levels import answers_of, leaf_map, truth_of

from granctl.errors import BadPredictionsError, NoPredictionsError, NotKeptError
from granctl.progress import Silent
from granctl.train import predictions
from granctl.train.evaluate import evaluated, score
from granctl.train.labelling import label_images
from granctl.train.levels import ladder_of
from granctl.train.predictions import Kept, read_predictions
from granctl.train.targets import Target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Workspace


def kept_of(answers):
    """A file's worth of made-up images."""
    names = [f"{i:032x}" for i in range(len(answers))]
    about = dict.fromkeys(("shards_digest", "labels_digest", "result_digest"), "ab")
    sums = np.array(names, dtype="S32")
    return Kept(answers=answers, checksums=sums, split="test", **about)


@pytest.fixture
def told():
    """The truth and what is said of 90 images under ten classes."""
    truth = truth_of(leaf_map(), np.arange(90) % 10)
    return truth, evaluated(answers_of(truth)[1], truth)


def test_everything_can_be_asked_again_of_the_file(told, tmp_path):
    """All scores, levels and distances from the file are those of the network's outputs."""
    labels = leaf_map()
    ladder = ladder_of(Workspace(tmp_path), labels, labels.class_ids, sigmoid=False)
    truth, _ = told
    first = evaluated(answers_of(truth)[1], truth, ladder=ladder)
    kept_of(first.predictions).write(tmp_path / "p.parquet")
    answers = read_predictions(tmp_path / "p.parquet").answers
    again = evaluated(answers.batches(), answers.truth(), ladder=ladder)
    then, now = first.record(), again.record()
    assert now["levels"] == [
        {**row, "nll": pytest.approx(row["nll"], rel=1e-6)} for row in then["levels"]
    ]
    assert now["mistakes"] == then["mistakes"]
    for name in ("top1", "top5", "mean_per_class", "nll", "calibration_error", "n", "classes"):
        assert now[name] == pytest.approx(then[name], rel=1e-6), name
    assert answers.right.sum() == first.scores.correct


def test_several_classes_are_asked_again_by_their_sigmoids(shards, tmp_path):
    """The truth is kept with its order, and each class has its own probability."""
    labels = label_map([[0, 2], [1, 2], [0], [1, 0, 2]], ("a", "b", "c"))
    truth = label_images(shards, "test", labels)
    logits = np.random.default_rng(0).normal(size=(len(truth), 3)).astype(np.float32)
    first = evaluated([(logits, np.arange(len(truth)))], truth)
    kept_of(first.predictions).write(tmp_path / "p.parquet")
    answers = read_predictions(tmp_path / "p.parquet").answers
    assert answers.sigmoid
    assert (answers.truth().main_class == truth.main_class).all()
    again = score(answers.batches(), answers.truth(), sigmoid=True)
    then, now = dataclasses.asdict(first.scores), dataclasses.asdict(again)
    assert then.pop("top5") is now.pop("top5") is None
    assert now == pytest.approx(then, rel=1e-5)


def test_half_precision_and_the_highest_alone(told, tmp_path, monkeypatch):
    """Above a limit half precision is kept, above another the 50 highest; answers stay exact."""
    truth, whole = told
    monkeypatch.setattr(predictions, "_SINGLE", 100)
    half = evaluated(answers_of(truth)[1], truth)
    kept_of(half.predictions).write(tmp_path / "half.parquet")
    answers = read_predictions(tmp_path / "half.parquet").answers
    assert answers.logp.dtype == np.float16
    assert answers.logp == pytest.approx(whole.predictions.logp, rel=1e-3)
    assert (answers.top == whole.predictions.top).all()
    monkeypatch.setattr(predictions, "_MOST", 100)
    few = evaluated(answers_of(truth)[1], truth)
    kept_of(few.predictions).write(tmp_path / "few.parquet")
    answers = read_predictions(tmp_path / "few.parquet").answers
    assert answers.logp is None
    assert (answers.loss == whole.predictions.loss).all()
    assert answers.right.sum() == few.scores.correct == whole.scores.correct
    with pytest.raises(NotKeptError):
        next(answers.batches())


@pytest.mark.parametrize("damage", ["cut", "bytes", "values", "other"])
def test_a_damaged_file_is_found_out(told, tmp_path, damage):
    """Cut short, a changed byte, a changed value, another file."""
    path = tmp_path / "p.parquet"
    kept_of(told[1].predictions).write(path)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-100])
    elif damage == "bytes":
        content[len(content) // 3] ^= 255
        path.write_bytes(content)
    elif damage == "values":
        table = pq.read_table(path)
        changed = table.set_column(2, "loss", table["margin"])
        pq.write_table(changed, path)
    else:
        pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    with pytest.raises(BadPredictionsError, match=r"p\.parquet"):
        read_predictions(path)


def test_a_file_that_is_not_there_has_a_mend(tmp_path):
    """The command that makes it."""
    with pytest.raises(NoPredictionsError) as caught:
        read_predictions(tmp_path / "p.parquet")
    assert "granctl transfer" in caught.value.hint


def test_a_transfer_keeps_what_it_said_of_each_image(train, shards, leaves, tmp_path):
    """The result names the file and its digest; the file has the images and gives the scores."""
    target = Target(name="shapes@leaf", shards=shards, labels=leaves)
    spec = TransferSpec(target=target, method="linear", run=train().path)
    result = transfer(Workspace(tmp_path / "workspace"), spec, None, Silent())
    found = json.loads(result.path.read_text())
    kept = read_predictions(result.path.parent / found["predictions"]["file"])
    assert kept.content_digest == found["predictions"]["digest"]
    assert kept.result_digest == result.digest
    assert (kept.checksums == shards.checksums("test")).all()
    assert kept.answers.right.sum() == found["correct"]
    assert kept.answers.loss.mean() == pytest.approx(found["nll"], rel=1e-5)
    assert found["taxonomy"]["source"].startswith("WordNet")
    assert found["levels"]
    for level in found["levels"]:
        assert 2 <= level["classes"] < 4
        assert level["n"] == found["n"]
    assert found["mistakes"]["n"] == found["n"] - found["correct"]


def test_several_classes_have_no_levels_and_say_why(train, shards, tmp_path, tiny):
    """What is not defined is null or empty, with a note; the rest is there, and read again."""
    labels = label_map([[0, 2], [1, 2], [0], [1, 0, 2]], ("a", "b", "c"))
    target = Target(name="shapes@several", shards=shards, labels=labels)
    spec = TransferSpec(target=target, method="scratch", recipe=tiny(), steps=2)
    found = transfer(Workspace(tmp_path / "workspace"), spec, None, Silent())
    record = found.details
    assert record["levels"] == []
    assert record["mistakes"] is record["top5"] is None
    assert "do not add up" in record["taxonomy"]["note"]
    kept = read_predictions(found.path.parent / "predictions.parquet").answers
    assert kept.sigmoid
    again = score(kept.batches(), kept.truth(), sigmoid=True)
    assert again.nll == pytest.approx(record["nll"], rel=1e-4)
    assert again.correct == record["correct"]


class Pair:
    """Two threads as two processes: a world whose sums are of both."""

    def __init__(self, size):
        self._barrier, self._given = threading.Barrier(size), []

    def total(self, values):
        self._given.append(values)
        self._barrier.wait()
        return sum(self._given)


def test_any_number_of_processes_has_the_scores_of_one(tmp_path):
    """Three parts of the images, of different sizes; one has a class of its own."""
    labels = leaf_map()
    ladder = ladder_of(Workspace(tmp_path), labels, labels.class_ids, sigmoid=False)
    truth = truth_of(labels, np.sort(np.arange(90) % 10))
    logits, batches = answers_of(truth)
    whole = evaluated(batches, truth, ladder=ladder).record()
    found, pair = {}, Pair(3)

    def part(rank):
        images = np.arange(*((0, 50, 83, 90)[rank : rank + 2]))
        batch = [(logits[images], np.arange(len(images)))]
        own = truth.only(images)
        found[rank] = evaluated(batch, own, ladder=ladder, world=pair).record()

    threads = [threading.Thread(target=part, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("top1", "top5", "mean_per_class", "n", "correct", "classes"):
        assert found[0][name] == whole[name], name
    assert found[0]["nll"] == pytest.approx(whole["nll"], rel=1e-12)
    assert found[0]["mistakes"] == whole["mistakes"]
    assert found[1] == found[0] == found[2]
    assert [row["top1"] for row in found[0]["levels"]] == [row["top1"] for row in whole["levels"]]
