"""What a representation is worth on a target: fine-tuned, under a linear head, or none at all.

results/<target>-<method>-<digest>/
  spec.json, metrics.jsonl
  result.json       every number with what it came from; what `--json` prints
  manifest.json     written last
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from granctl.alone import making_alone
from granctl.files import read_json, write_json
from granctl.progress import Progress
from granctl.provenance import digest, plain, provenance
from granctl.train.beside import beside_asked, beside_measured
from granctl.train.device import Machine, open_device, precision, threads
from granctl.train.further import further_sets
from granctl.train.images import resolved
from granctl.train.labelling import label_images
from granctl.train.leaks import Leaked, guarded
from granctl.train.recipe import Transfer
from granctl.train.runs import CHECKPOINTS, Run
from granctl.train.shots import few_of_each_class
from granctl.train.taught import Lesson, Outcome, taught
from granctl.train.transferspec import TransferSpec
from granctl.workspace import Artefact, Workspace, begin_folder, finish_folder, folder_state

__all__ = ["TransferSpec", "transfer"]

SCHEMA = 1
RESULT_NAME = "result.json"
TRAIN = "train"


def transfer(
    workspace: Workspace,
    spec: TransferSpec,
    out: Path | None,
    progress: Progress,
    machine: Machine | None = None,
) -> Artefact:
    """Trains on the target's labelled images and scores its held-out ones, each once.

    Raises:
        BadOptionError: options that contradict each other.
        TooFewImagesError: a class has fewer images than `per_class`.
        NoSuchSplitError: the target has no training or no held-out images.
        NonFiniteLossError: the loss went out of range.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged.
    """
    spec.check()
    machine = machine or Machine()
    run = Run.open(spec.run) if spec.run is not None else None
    lesson, leaked = _lesson(spec.home or workspace, spec, run, machine, progress)
    inputs = {
        "target_shards": lesson.shards.digest,
        "target_labels": spec.target.labels.digest,
        "target_labels_content": spec.target.labels.content_digest,
    }
    if run is not None and spec.method != "scratch":
        inputs["run"] = run.digest
    asked = {**_asked(spec, lesson), **beside_asked(spec, lesson.further, leaked)}
    identity = digest({"kind": "result", "schema": SCHEMA, **asked, "inputs": inputs})
    name = f"{spec.target.name}-{spec.method}"
    folder = out.absolute() if out else workspace.place("result", name, identity)
    state = folder_state(folder, identity)
    if state == "whole":
        return _found(folder, identity)
    open_device(machine)  # before the first output: a device that is not there is an error
    if state == "absent":
        begin_folder(folder, identity, asked, inputs)
    with making_alone(folder, progress), threads(machine):
        if folder_state(folder, identity) == "whole":
            return _found(folder, identity)
        outcome = taught(lesson, folder, identity, _body(lesson, run, progress))
        source = _source(run) if spec.method != "scratch" else None
        details = {
            **_measured(spec, lesson, outcome),
            **beside_measured(
                spec.home or workspace, spec, lesson.further, outcome.also, leaked, run, progress
            ),
            "run": str(spec.run.absolute()) if spec.run and source else None,
            "source": source,
            "inputs": inputs,
            "provenance": provenance(asked, inputs),
        }
        path = folder / RESULT_NAME
        result = Artefact(kind="result", path=path, digest=identity, made=True, details=details)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        write_json(path, result.record())
        finish_folder(folder, {"kind": "result", "schema": SCHEMA, "digest": identity})
    return result


def _found(folder: Path, identity: str) -> Artefact:
    record = read_json(folder / RESULT_NAME)
    own = ("kind", "path", "digest", "made", "schema")
    details = {key: value for key, value in record.items() if key not in own}
    path = folder / RESULT_NAME
    return Artefact(kind="result", path=path, digest=identity, made=False, details=details)


def _lesson(
    workspace: Workspace,
    spec: TransferSpec,
    run: Run | None,
    machine: Machine,
    progress: Progress,
) -> tuple[Lesson, Leaked]:
    """The target's images and the training, looked up and checked; and what was pretrained on."""
    recipe = spec.recipe
    if recipe is None:
        assert run is not None  # checked
        recipe = run.recipe
    shards = spec.target.shards
    held_out = shards.held_out
    train = label_images(shards, TRAIN, spec.target.labels)
    test = label_images(shards, held_out, spec.target.labels, train.class_ids)
    if test.dropped:
        progress.note(f"{test.dropped} {held_out} images have no class and are not scored")
    if spec.per_class is not None:
        train = train.only(few_of_each_class(train, spec.per_class, spec.seed))
    seen_by = run if spec.method != "scratch" else None
    kept = guarded(seen_by, shards, held_out, test, spec.leaks, workspace, progress)
    further = further_sets(
        workspace, spec.score_on, spec.target, train.class_ids, seen_by, spec.leaks, progress
    )
    training: Transfer = getattr(recipe, spec.method)
    recipe = recipe.at_resolution(training.resolution)
    augment = training.augment or recipe.augment
    steps = spec.steps or training.steps
    lesson = Lesson(
        shards=shards,
        held_out=held_out,
        train=train,
        test=kept.labelling,
        further=further,
        recipe=dataclasses.replace(recipe, input=resolved(recipe.input, shards, TRAIN)),
        training=dataclasses.replace(training, augment=augment, steps=steps),
        method=spec.method,
        seed=spec.seed,
        machine=machine,
        progress=progress,
        label=f"{spec.method} on {spec.target.name} seed {spec.seed}",
    )
    return lesson, kept.leaked


def _asked(spec: TransferSpec, lesson: Lesson) -> dict[str, Any]:
    """What the numbers depend on, apart from the inputs; steps stand in `training`."""
    return {
        "method": spec.method,
        "per_class": spec.per_class,
        "seed": spec.seed,
        "training": plain(lesson.training),
        "model": plain(lesson.recipe.model),
        "input": plain(lesson.recipe.input),
    }


def _body(lesson: Lesson, run: Run | None, progress: Progress) -> Any:
    """The network to start from, before it gets its new head."""
    from granctl.train import models

    if lesson.method != "scratch":
        assert run is not None  # checked
        network = run.network(progress)
        side = lesson.recipe.input.resolution
        return (
            network if side == run.recipe.input.resolution else models.at_resolution(network, side)
        )
    return models.build(
        lesson.recipe.model,
        channels=lesson.recipe.input.channels or 3,
        resolution=lesson.recipe.input.resolution,
        num_classes=lesson.train.num_classes,
        seed=lesson.seed,
    )


def _measured(spec: TransferSpec, lesson: Lesson, outcome: Outcome) -> Mapping[str, Any]:
    device = open_device(lesson.machine)
    return {
        "top1": outcome.scores.top1,
        "mean_per_class": outcome.scores.mean_per_class,
        "n": outcome.scores.n,
        "correct": outcome.scores.correct,
        "num_classes": lesson.train.num_classes,
        "multi_label": lesson.train.multi_label,
        "seed": spec.seed,
        "method": spec.method,
        "target": spec.target.name,
        "target_cut": spec.target.cut,
        "per_class": spec.per_class,
        "split": lesson.held_out,
        "resolution": lesson.recipe.input.resolution,
        "steps": lesson.training.steps,
        "images_seen": outcome.fitted.images_seen,
        "train_images": len(lesson.train),
        "train_loss": outcome.fitted.train_loss,
        "recipe": lesson.recipe.name,
        "computed": f"{device.type}, {precision(device, lesson.recipe.precision)}",
    }


def _source(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    record = run.record
    head = record.get("head")
    # Several maps are a way of their own to pretrain: no mean may be taken over them and one map.
    return {
        "cut": head["name"] if head else record["cut"]["name"],
        "method": record["loss"] if head else record["cut"]["method"],
        "params": record["cut"]["params"],
        "classes_total": record["classes_total"],
        "classes_present": record["classes_present"],
        "labels_digest": record["labels_digest"],
        "run_digest": run.digest,
        "run_seed": record["seed"],
        "recipe": record["recipe"],
        "images_seen": record["images_seen"],
    }
