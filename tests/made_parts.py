"""A small study with all that a report can show: images, label maps, runs, predictions, levels."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from generated_images import LABELS, write_source
from made_up_study import fake_result, write_result

from granctl.files import write_json
from granctl.progress import Silent
from granctl.provenance import digest
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.train.predictions import Kept, Predictions
from granctl.train.targets import classes_named
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

SEEDS = (0, 1)
METHODS = ("finetune", "linear")
RATE = 50.0
"""Images a second that every training says it took."""
RIGHT = {"depth-1": (True, False, False, False, True, False), "leaf": (True,) * 5 + (False,)}
"""Which of the six test images each source gets right, by label."""


def write_rich(root: Path) -> Workspace:
    """Two cuts of six labels, two methods, two seeds, one held-out image a label."""
    workspace = Workspace(root / "workspace")
    spec = BuildSpec(source=str(write_source(root / "source")))
    shards = ShardSet.open(build_shards(workspace, spec, None, Silent()).path)
    target = classes_named(shards, "leaf")
    assert target is not None
    coarse = LabelMap.from_single(
        shards.labels,
        np.arange(6) // 3,
        class_ids=("first", "second"),
        class_names=("first", "second"),
        method="depth",
        params={"depth": 1},
    )
    maps = {"depth-1": coarse, "leaf": target}
    for name, labels in maps.items():
        labels.write(workspace.place("label-map", name, labels.digest, ".parquet"))
    for how in METHODS:
        for seed in SEEDS:
            for cut, labels in maps.items():
                write_one(workspace, shards, target, cut, labels, how, seed)
    return workspace


def write_one(
    workspace: Workspace,
    shards: ShardSet,
    target: LabelMap,
    cut: str,
    labels: LabelMap,
    how: str,
    seed: int,
) -> None:
    """One result with its run and its predictions."""
    right = RIGHT[cut]
    record: dict[str, Any] = fake_result(
        cut=cut,
        method=labels.method,
        classes=labels.num_classes,
        how=how,
        seed=seed,
        n=6,
        num_classes=6,
        target="images-0123456789ab@leaf",
        top1=sum(right) / 6,
        levels=[{"cut": "depth-1", "classes": 2, "n": 6, "top1": 5 / 6 - seed / 6}],
    )
    inputs = {"target_shards": shards.digest, "target_labels": target.digest}
    source = {**record["source"], "labels_digest": labels.digest}
    run = workspace.place("run", "made-up", digest([cut, seed]))
    record |= {"inputs": inputs, "source": source, "run": str(run)}
    write_run_log(run, seed)
    kept = predictions_of(record, shards, target, right)
    path = write_result(workspace.folder("result"), {**record, "predictions": kept.record()})
    kept.write(path.parent / "predictions.parquet")


def write_run_log(run: Path, seed: int, lines: int = 10) -> None:
    """Lines of a training on two processes that took 2 s a line."""
    found = [
        {"step": 10 * i, "images_seen": 100 * i, "loss": 1 / i + seed, "images_per_s": RATE}
        for i in range(1, lines + 1)
    ]
    run.mkdir(parents=True, exist_ok=True)
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
    maker = {"host": "h", "boot": "b", "space": "s", "process": 1, "began": 1}
    start = {"step": 0, "steps": 100, "images": 18, "processes": 2, "maker": maker, "job": None}
    (run / "starts.jsonl").write_text(json.dumps({**start, "restart": 0, "at": "now"}) + "\n")
    made_by = {"command": "granctl pretrain", "spec": {"seed": seed}, "inputs": {}}
    write_json(run / "spec.json", {"digest": digest(str(run)), "provenance": made_by})
    details = {"computed": "cuda, bfloat16", "held_out": {"top1": 0.5}}
    write_json(run / "manifest.json", {"details": details})


def predictions_of(
    record: dict[str, Any], shards: ShardSet, target: LabelMap, right: tuple[bool, ...]
) -> Kept:
    """What the network said of the six test images: the right class, or the next one."""
    true = shards.rows("test").label.astype(np.int32)
    hit = np.array(right)[true]
    other = (true + 1) % len(LABELS)
    top = np.stack([np.where(hit, true, other), np.where(hit, other, true)], axis=1)
    loss = np.where(hit, -math.log(0.9), -math.log(0.1)).astype(np.float32)
    answers = Predictions(
        class_ids=target.class_ids,
        class_names=tuple(f"class <{label[-1]}>" for label in target.class_names),
        sigmoid=False,
        offsets=np.arange(7),
        classes=true,
        loss=loss,
        margin=np.where(hit, 2.2, -2.2).astype(np.float32),
        top=top.astype(np.int32),
        top_logp=np.tile(np.log([0.9, 0.1]).astype(np.float32), (6, 1)),
        logp=None,
    )
    return Kept(
        answers=answers,
        checksums=shards.checksums("test"),
        split="test",
        shards_digest=shards.digest,
        labels_digest=target.digest,
        result_digest=record["digest"],
    )
