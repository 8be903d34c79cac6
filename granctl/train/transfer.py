"""What a representation is worth on a target, by any method: what is asked, made, and recorded.

results/<target>-<method>-<digest>/
  spec.json, metrics.jsonl
  predictions.parquet  what was said of every held-out image (predictions.py)
  result.json       every number with what it came from; what `--json` prints
  manifest.json     written last
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.alone import making_alone
from granctl.errors import LostInputError
from granctl.files import read_json, write_json
from granctl.progress import Progress
from granctl.provenance import digest, plain, provenance
from granctl.shards.index import ShardSet
from granctl.train.beside import beside_asked, beside_measured
from granctl.train.device import Machine, open_device, precision, threads
from granctl.train.evaluate import Evaluation
from granctl.train.fewshot import check_shots, fewshot
from granctl.train.further import also_scored, further_sets
from granctl.train.grouped import grouped, grouping_of
from granctl.train.images import resolved
from granctl.train.judging import judged, keep
from granctl.train.knn import check_neighbours, knn
from granctl.train.labelling import Labelling, label_images
from granctl.train.leaks import Leaked, guarded, seen_in_pretraining
from granctl.train.lesson import Answer, Lesson
from granctl.train.linear import linear, steps_of_heads
from granctl.train.origin import Origin
from granctl.train.ownhead import own_head
from granctl.train.public import PublicModel
from granctl.train.recipe import Probe, Recipe, Transfer
from granctl.train.runs import Run
from granctl.train.shots import few_of_each_class
from granctl.train.taught import candidates, check_choice, checkpoints, whole_network
from granctl.train.transferspec import TABLE_OF_METHOD, TRAINS, Method, TransferSpec
from granctl.workspace import Artefact, Workspace, begin_folder, finish_folder, folder_state

__all__ = ["TransferSpec", "transfer"]

SCHEMA = 1
RESULT_NAME = "result.json"
TRAIN = "train"
METHODS: Mapping[Method, Callable[[Lesson, Path, str], Answer]] = {
    "finetune": whole_network,
    "linear": linear,
    "fewshot": fewshot,
    "knn": knn,
    "grouped": grouped,
    "scratch": whole_network,
}
"""Each is given the lesson, the result's folder and its identity."""
_CHECKS: Mapping[Method, Callable[[Lesson], object]] = {
    "fewshot": check_shots,
    "knn": check_neighbours,
    "grouped": grouping_of,
    "finetune": check_choice,
    "scratch": check_choice,
}
"""What a method refuses is refused before the first output."""


def transfer(
    workspace: Workspace,
    spec: TransferSpec,
    out: Path | None,
    progress: Progress,
    machine: Machine | None = None,
) -> Artefact:
    """Measures a run, or none, by the held-out images of a target, each once.

    Raises:
        BadOptionError: options that contradict each other.
        TooFewImagesError: a class has fewer images than `per_class` or shots, or there are fewer
            than neighbours.
        DoesNotNestError: `grouped`, and no class of the run lies in one of the target.
        RunLabelsGoneError: `grouped`, and the run's label map is not there.
        NoSuchSplitError: the target has no training or no held-out images.
        NonFiniteLossError: the loss went out of range.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged.
    """
    spec.check()
    machine = machine or Machine()
    run, home = spec.origin, spec.home or workspace
    lesson, leaked = _lesson(home, spec, run, machine, progress)
    if spec.method in _CHECKS:
        _CHECKS[spec.method](lesson)
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
        answer = METHODS[spec.method](lesson, folder, identity)
        told = judged(
            home,
            spec.target,
            answer.test,
            answer.batches,
            sigmoid=lesson.several,  # as the loss is chosen
            progress=progress,
            probabilities=answer.probabilities,
        )
        also = also_scored(lesson, answer)
        source = _source(run) if spec.method != "scratch" else None
        details = {
            **_measured(spec, lesson, answer, told),
            **beside_measured(
                home, spec, lesson.further, also, leaked, _known(spec, run), progress
            ),
            "run": str(spec.run.absolute()) if spec.run and source else None,
            "source": source,
            "inputs": inputs,
            "predictions": keep(folder, identity, told, spec.target, lesson.held_out, answer.test),
            "provenance": provenance(asked, inputs),
        }
        path = folder / RESULT_NAME
        result = Artefact(kind="result", path=path, digest=identity, made=True, details=details)
        for place in checkpoints(folder):
            shutil.rmtree(place, ignore_errors=True)
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
    run: Origin | None,
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
    # What is not trained needs no training images: those that are scored say which classes occur.
    alone = spec.method == "grouped" and TRAIN not in shards.splits
    first = held_out if alone else TRAIN
    train = label_images(shards, first, spec.target.labels)
    test = label_images(shards, held_out, spec.target.labels, train.class_ids)
    if test.dropped:
        progress.note(f"{test.dropped} {held_out} images have no class and are not scored")
    several = train.multi_label
    if spec.method == "grouped" and spec.per_class is not None:
        progress.note("the run's own head learns from no labelled image: --per-class has no use")
    if spec.labelled is not None:
        train = train.only(few_of_each_class(train, spec.labelled, spec.seed))
    seen_by = _known(spec, run)
    if isinstance(run, PublicModel) and spec.method != "scratch":
        progress.note(f"nobody knows here which images {run.name} was pretrained on")
    kept = guarded(seen_by, shards, held_out, test, spec.leaks, workspace, progress)
    sets = workspace, spec.score_on, spec.target, train.class_ids, seen_by, spec.leaks
    further = further_sets(*sets, progress, taught=spec.method != "grouped")
    training = _training(recipe, spec, len(train))
    if TABLE_OF_METHOD[spec.method] is not None:
        recipe = recipe.at_resolution(training.resolution)
    recipe = dataclasses.replace(recipe, input=resolved(recipe.input, shards, first))
    head = None
    if spec.method == "grouped":
        assert isinstance(run, Run)  # checked
        head = own_head(run, workspace, spec.run_labels)
    candidates(training, spec.tries)  # values that cannot be are told now
    lesson = Lesson(
        spec=spec,
        shards=shards,
        held_out=held_out,
        train=train,
        several=several,
        test=kept.labelling,
        seen=_seen(spec, seen_by, shards, train, workspace, progress),
        further=further,
        recipe=recipe,
        training=training,
        head=head,
        body=lambda: _body(spec, recipe, run, train.num_classes, progress),
        machine=machine,
        progress=progress,
        label=f"{spec.method} on {spec.target.name} seed {spec.seed}",
    )
    return lesson, kept.leaked


def _known(spec: TransferSpec, run: Origin | None) -> Run | None:
    """The run of which it is known what it was pretrained on, where its weights are used."""
    return run if isinstance(run, Run) and spec.method != "scratch" else None


def _seen(
    spec: TransferSpec,
    run: Run | None,
    shards: ShardSet,
    train: Labelling,
    workspace: Workspace,
    progress: Progress,
) -> NDArray[np.bool_] | None:
    """Which training images the run was pretrained on, where values are chosen on some of them."""
    if run is None or not (spec.tries or spec.method == "linear"):
        return None
    try:
        seen = seen_in_pretraining(
            run, shards, TRAIN, by="checksum", workspace=workspace, progress=progress
        )[train.row]
    except LostInputError:
        return None
    if seen.all():
        progress.note("values are chosen on images that the run was pretrained on: it saw them all")
    return seen


def _asked(spec: TransferSpec, lesson: Lesson) -> dict[str, Any]:
    """What the numbers depend on, apart from the inputs; steps stand in `training`.

    What is as always is not said, so that results keep their names.
    """
    about: dict[str, Any] = {}
    if lesson.several and not lesson.train.multi_label:
        about["several"] = True  # the images that the seed drew do not show it
    if lesson.recipe.precision != "auto":
        about["precision"] = lesson.recipe.precision
    return {
        **about,
        "method": spec.method,
        "per_class": spec.labelled,
        "seed": spec.seed,
        "options": spec.options,
        "training": plain(lesson.training) if spec.method in TRAINS else None,
        "model": plain(lesson.recipe.model),
        "input": plain(lesson.recipe.input),
    }


def _training(recipe: Recipe, spec: TransferSpec, num_images: int) -> Transfer:
    """The table of the method with augmentation and steps filled in."""
    training: Transfer = getattr(recipe, TABLE_OF_METHOD[spec.method] or "linear")
    steps = max(spec.lengths, default=spec.steps or training.steps)
    if isinstance(training, Probe) and spec.steps is None:
        steps = steps_of_heads(training, num_images)
    augment = training.augment or recipe.augment
    return dataclasses.replace(training, augment=augment, steps=steps)


def _body(
    spec: TransferSpec, recipe: Recipe, run: Origin | None, num_classes: int, progress: Progress
) -> Any:
    """The network to start from, before it gets its new head."""
    from granctl.train import models

    side = recipe.input.resolution
    if spec.method != "scratch":
        assert run is not None  # checked
        network = run.network(progress)
        return (
            network if side == run.recipe.input.resolution else models.at_resolution(network, side)
        )
    return models.build(
        recipe.model,
        channels=recipe.input.channels or 3,
        resolution=side,
        num_classes=num_classes,
        seed=spec.seed,
    )


def _measured(
    spec: TransferSpec, lesson: Lesson, answer: Answer, told: Evaluation
) -> Mapping[str, Any]:
    device = open_device(lesson.machine)
    return {
        **told.record(probabilities=answer.probabilities),
        "num_classes": lesson.train.num_classes,
        "multi_label": lesson.several,
        "seed": spec.seed,
        "method": spec.method,
        "target": spec.target.name,
        "target_cut": spec.target.cut,
        "per_class": spec.labelled,
        "options": spec.options,
        "split": lesson.held_out,
        "resolution": lesson.recipe.input.resolution,
        "steps": answer.steps,
        "images_seen": answer.images_seen,
        "train_images": len(lesson.train) if spec.method != "grouped" else 0,
        "train_loss": answer.train_loss,
        "recipe": lesson.recipe.name,
        "computed": f"{device.type}, {precision(device, lesson.recipe.precision)}",
        **answer.fields,
    }


def _source(run: Origin | None) -> dict[str, Any] | None:
    if run is None or isinstance(run, PublicModel):
        return None if run is None else run.source
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
