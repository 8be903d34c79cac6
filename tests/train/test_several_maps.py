"""Pretrainings under several label maps, from the images to a transfer."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shapes import NUM_TEST, NUM_TRAIN, label_map

from granctl.errors import BadOptionError, NotNestedError
from granctl.progress import Silent
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.shards.order import permuted
from granctl.study.lineage import lineage
from granctl.study.reproduce import reproduce
from granctl.study.results import load_results
from granctl.train.batches import Share, pieces_from
from granctl.train.embed import EmbedSpec, embed
from granctl.train.images import Batch
from granctl.train.maps import Maps
from granctl.train.objective import Objective
from granctl.train.recipe import Augment, Input
from granctl.train.runs import Run
from granctl.train.targets import Target
from granctl.train.transfer import transfer
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Workspace

ROWS = label_map([[0], [0], [1], [1]], ("top", "bottom"), method="depth", params={"depth": 3})
COLUMNS = label_map([[0], [1], [0], [1]], ("left", "right"), method="depth", params={"depth": 4})
SOME = label_map([[], [0], [1], [0]], ("p", "q"), method="depth", params={"depth": 9})
"""The first label has no class here."""


@pytest.fixture
def written(workspace_folder) -> Callable[..., Path]:
    """`written(map)` is where its file lies in the workspace."""

    def call(labels):
        path = Workspace(workspace_folder).place("label-map", "toy", labels.digest, ".parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        labels.write(path)
        return path

    return call


@pytest.fixture
def several(train, leaves, written) -> Callable[..., Any]:
    """`several("levels")`: leaves, rows and some; `several("marginal")`: rows under leaves."""

    def call(loss, out=None, **fields):
        if loss == "levels":
            also = (written(ROWS), written(SOME))
            return train(out, labels=leaves, **{"also": also, **fields})
        return train(out, labels=ROWS, **{"fine": written(leaves), **fields})

    return call


def test_levels_learn_every_level_and_are_scored_by_the_first(several, tiny):
    """The record says which maps, how many outputs, by how much each counts."""
    details = several("levels", recipe=tiny(epochs=16)).details
    assert details["loss"] == "levels"
    assert (details["classes_present"], details["classes_total"]) == (4, 5)
    assert (details["images"], details["multi_label"]) == (4 * NUM_TRAIN, False)
    assert (details["held_out"]["n"], details["held_out"]["classes"]) == (4 * NUM_TEST, 4)
    assert details["held_out"]["top1"] > 0.7
    assert details["head"]["name"] == "toy+depth-3+depth-9"
    assert details["head"]["outputs"] == 4 + 2 + 2
    parts = [(m["role"], m["classes_present"], m["images"]) for m in details["head"]["maps"]]
    assert parts == [("labels", 4, 48), ("also", 2, 48), ("also", 2, 36)]
    weights = [m["weight"] for m in details["head"]["maps"]]
    assert weights == pytest.approx([1.0, 1.0, 4 / 3])
    assert details["train_loss"] < 1.5, "log 4 + log 2 + log 2 is 2.8"


def test_a_fine_head_learns_from_coarse_labels(several):
    """It is scored by the coarse classes' summed probabilities."""
    details = several("marginal").details
    assert details["loss"] == "marginal"
    assert (details["classes_present"], details["classes_total"]) == (2, 2)
    assert (details["held_out"]["n"], details["held_out"]["classes"]) == (4 * NUM_TEST, 2)
    assert details["held_out"]["top1"] > 0.8
    assert (details["head"]["name"], details["head"]["outputs"]) == ("depth-3/toy", 4)
    assert [m["role"] for m in details["head"]["maps"]] == ["labels", "fine"]
    assert details["train_loss"] < 0.5


@pytest.mark.parametrize("loss", ["levels", "marginal"])
def test_a_run_of_several_maps_opens_embeds_and_transfers(
    several, tiny, loss, shards, shapes_folder, leaves, workspace_folder
):
    """The head has the outputs it was trained with; a result names its own way to pretrain."""
    run = several(loss, recipe=tiny(epochs=16))
    opened = Run.open(run.path)
    network = opened.network(Silent())
    assert network.head.out_features == run.details["head"]["outputs"]
    assert len(opened.manifest["class_ids"]) == len(opened.manifest["class_names"])
    workspace = Workspace(workspace_folder)
    features = embed(
        workspace, EmbedSpec(origin=opened, shards=shapes_folder, splits=("test",)), None, Silent()
    )
    assert Features.read(features.path).matrix.shape == (4 * NUM_TEST, 8)
    target = Target(name="shapes@leaf", shards=shards, labels=leaves)
    for method in ("finetune", "linear"):
        spec = TransferSpec(target=target, method=method, run=run.path, steps=60)
        found = transfer(workspace, spec, None, Silent()).details
        assert found["top1"] >= 0.7, method
        assert found["num_classes"] == 4
        assert (found["source"]["method"], found["source"]["cut"]) == (
            loss,
            run.details["head"]["name"],
        )


def test_a_run_is_named_by_all_of_its_maps(several, train, leaves, written):
    """Other levels, another order, one map: other runs; the same ones: the same run."""
    once, again = several("levels"), several("levels")
    assert (once.made, again.made, again.path) == (True, False, once.path)
    assert again.details == once.details
    inputs = json.loads((once.path / "spec.json").read_text())["provenance"]["inputs"]
    assert (inputs["also_1"], inputs["also_2"]) == (ROWS.digest, SOME.digest)
    others = [
        several("levels", also=(written(SOME), written(ROWS))),
        several("levels", also=(written(ROWS),)),
        train(labels=leaves),
        several("marginal"),
        train(labels=ROWS),
    ]
    assert len({once.digest, *(other.digest for other in others)}) == 6


@pytest.mark.parametrize("loss", ["levels", "marginal"])
def test_mixed_images_and_smoothed_targets_are_learnt(several, tiny, loss):
    """Mixup and CutMix, label smoothing, gradients in two parts, an average, part of the images."""
    changes = {
        "epochs": 16,
        "augment.mixup": 0.2,
        "augment.cutmix": 1.0,
        "label_smoothing": 0.1,
        "accumulate": 2,
        "ema": 0.5,
    }
    details = several(loss, recipe=tiny(**changes), images=40).details
    assert details["images"] == 40
    assert np.isfinite(details["train_loss"])
    assert details["held_out"]["top1"] > 0.5


@pytest.mark.parametrize("loss", ["levels", "marginal"])
def test_the_loss_of_a_step_is_that_of_its_pieces(shards, leaves, loss):
    """On 1, 2 or 3 processes, in parts, mixed: the mean over the step's images, gradient too."""
    maps = {"levels": {"labels": SOME, "also": (leaves, ROWS)}, "marginal": {"labels": ROWS}}[loss]
    labelling, head = Maps(**maps, fine=leaves if loss == "marginal" else None).labelled(
        shards, "train"
    )
    assert head is not None
    look = Input(resolution=8, channels=1)
    objective = Objective(
        labelling=labelling,
        kind=loss,
        smoothing=0.1,
        look=look,
        augment=Augment(kind="none", mixup=0.5, cutmix=1.0, mix_share=0.8),
        seed=3,
        device=torch.device("cpu"),
        head=head,
    )
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (48, 1, 8, 8), np.uint8))
    start = torch.randn(64, head.num_outputs, generator=torch.manual_seed(0)) / 8
    found = []
    for size, parts in ((1, 1), (2, 1), (3, 2)):
        weights, total = start.clone().requires_grad_(), 0.0
        for rank in range(size):
            share = Share(rank=rank, size=size, parts=parts)
            for piece in pieces_from(48, 17, share, step=0, steps=1):
                images = permuted(piece.positions, 48, 3, piece.epoch)
                batch = Batch(pixels[images], images, piece)
                value = objective(lambda x, w=weights: x.flatten(1) @ w, batch)
                value = value * len(piece) / piece.step_images
                value.backward()
                total += value.item()
        assert weights.grad is not None
        found.append([total, *weights.grad.flatten().tolist()])
    assert found[1] == pytest.approx(found[0], rel=1e-4, abs=1e-5)
    assert found[2] == pytest.approx(found[0], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("loss", ["levels", "marginal"])
def test_a_result_of_several_maps_is_reproduced(
    several, written, loss, shapes_folder, leaves, workspace_folder
):
    """Every map is found by its digest; all numbers are the same."""
    workspace = Workspace(workspace_folder)
    shutil.copytree(shapes_folder, workspace.folder("shards") / "shapes")
    for labels in (leaves, ROWS):
        written(labels)
    target = Target(name="shapes", shards=ShardSet.open(shapes_folder), labels=leaves)
    spec = TransferSpec(target=target, method="linear", run=several(loss).path)
    result = transfer(workspace, spec, None, Silent())
    record = reproduce(workspace, result.path, "pretrain", 0.0, Silent())
    assert record["same"], record["differences"]
    assert record["same_inputs"]
    assert len(list((workspace.root / "reproductions").glob("*/runs/*/manifest.json"))) == 1
    (found,) = load_results([result.path])
    steps = lineage(workspace, found)
    cuts = [leaves, ROWS, SOME] if loss == "levels" else [ROWS, leaves]
    assert [s.what for s in steps] == [*["cut"] * len(cuts), "pretrain", "transfer"]
    assert [s.digest for s in steps[: len(cuts)]] == [labels.digest for labels in cuts]
    assert all(Path(s.path).is_file() for s in steps[: len(cuts)])


@pytest.mark.parametrize("kind", ["levels", "marginal"])
def test_a_loss_that_does_not_fit_is_refused_before_anything_is_made(several, tiny, tmp_path, kind):
    """Said by the recipe, or needed by none of the maps."""
    for loss in ("cross-entropy", "sigmoid"):
        with pytest.raises(BadOptionError, match=f"{loss} has no use for the maps"):
            several(kind, out="never", recipe=tiny(loss=loss))
    without = {"also": ()} if kind == "levels" else {"fine": None}
    with pytest.raises(BadOptionError, match=f"{kind} takes more than one label map"):
        several(kind, out="never", recipe=tiny(loss=kind), **without)
    assert not (tmp_path / "never").exists()


def test_fine_classes_that_do_not_nest_are_refused_before_anything_is_made(
    train, written, tmp_path
):
    """Columns cross rows."""
    with pytest.raises(NotNestedError, match=r"left .* lies in top .* and bottom"):
        train("never", labels=ROWS, fine=written(COLUMNS))
    assert not (tmp_path / "never").exists()
