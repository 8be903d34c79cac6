"""Pretraining: shards under a label map, by a recipe, to a run folder that can be gone on with."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl.alone import making_alone
from granctl.progress import Progress, Silent
from granctl.provenance import plain
from granctl.shards.index import HELD_OUT_SPLITS, ShardSet
from granctl.shards.store import url_of
from granctl.train import models, timmodels
from granctl.train.asked import SCHEMA, TRAIN, PretrainSpec, ask
from granctl.train.device import Machine, open_device, precision, threads
from granctl.train.evaluate import outputs, score
from granctl.train.heads import Head, own_scores
from granctl.train.images import Images
from granctl.train.keeping import Keeping
from granctl.train.labelling import Labelling, label_images
from granctl.train.loop import fit
from granctl.train.maps import Maps
from granctl.train.memory import check_memory
from granctl.train.metrics import METRICS_NAME, MetricsLog
from granctl.train.objective import LossKind, Objective, loss_kind, set_head_bias
from granctl.train.plan import Fitted, Plan
from granctl.train.recipe import Recipe
from granctl.train.runs import CHECKPOINTS
from granctl.train.starts import STARTS_NAME
from granctl.train.watching import Watch
from granctl.train.world import World, joined
from granctl.train.wrapping import check_ways
from granctl.workspace import Artefact, Workspace, finish_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Keep:
    """What a run keeps of itself, and how often; no part of its identity."""

    every_s: float = 600.0
    """Inside an epoch; at the end of each one is written in any case."""
    every_steps: int | None = None
    newest: int = 2
    """So many stay, at least 2."""
    marks: int | None = None
    """Those of every so many steps stay too."""
    tensorboard: bool = False
    """Metrics are written for TensorBoard too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """What was asked, looked up."""

    shards: ShardSet
    maps: Maps
    labelling: Labelling
    head: Head | None
    recipe: Recipe
    loss: LossKind
    seed: int
    machine: Machine
    keeping: Keep
    progress: Progress
    world: World
    steps: int


def pretrain(
    workspace: Workspace,
    spec: PretrainSpec,
    out: Path | None,
    progress: Progress,
    machine: Machine | None = None,
    keep: Keep | None = None,
) -> Artefact:
    """Trains a network to tell the classes of a label map apart; goes on with a stopped run.

    Where the environment says that several processes train together, each of them calls it.

    Raises:
        HalfWorldError, WorldFailedError: the processes are not told, or do not find each other.
        StoppedError: by a signal; all is saved.
        LabelsNotInMapError: an image has a label that the map lacks.
        OtherImagesError: the map is keyed by images, and of other images.
        SeveralClassesError, NotNestedError: several maps do not fit each other or the images.
        NonFiniteLossError: the loss went out of range.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged.
    """
    machine = machine or Machine()
    with joined(open_device(machine)) as world:
        told = progress if world.is_first else Silent()
        return _pretrain(workspace, spec, out, told, machine, keep or Keep(), world)


def _pretrain(
    workspace: Workspace,
    spec: PretrainSpec,
    out: Path | None,
    progress: Progress,
    machine: Machine,
    keep: Keep,
    world: World,
) -> Artefact:
    asked = ask(workspace, spec, out)
    folder, run_digest, inputs = asked.folder, asked.digest, asked.inputs
    state = world.done_by_first(asked.state)
    if state == "whole":
        return _found(folder, run_digest)
    timmodels.check(asked.recipe.model)
    labelling, head = asked.labelled
    job = _Job(
        shards=asked.shards,
        maps=asked.maps,
        labelling=labelling,
        head=head,
        recipe=asked.recipe,
        steps=asked.steps,
        loss=loss_kind(asked.recipe.loss, labelling, head),
        seed=spec.seed,
        machine=machine,
        keeping=keep,
        progress=progress,
        world=world,
    )
    _tell(job)
    if state == "absent":
        world.done_by_first(asked.begin)
    with making_alone(folder, progress) if world.is_first else nullcontext(), threads(machine):
        if world.done_by_first(asked.state) == "whole":
            return _found(folder, run_digest)
        details = {**_train(job, folder, run_digest), **_where(spec, asked.shards)}
        manifest = {
            "kind": "run",
            "schema": SCHEMA,
            "digest": run_digest,
            "inputs": inputs,
            "details": details,
            "class_ids": list((head or labelling).class_ids),
            "class_names": list((head or labelling).class_names),
        }
        world.done_by_first(lambda: finish_folder(folder, manifest))
    return Artefact(kind="run", path=folder, digest=run_digest, made=True, details=details)


def _where(spec: PretrainSpec, shards: ShardSet) -> dict[str, str]:
    """Where the inputs were, for those who look for them first there and then by digest."""
    where = shards.where
    return {
        "shards": os.path.abspath(where) if url_of(where) is None else where,
        "label_map": os.path.abspath(spec.labels),
    }


def _found(folder: Path, run_digest: str) -> Artefact:
    from granctl.train.runs import Run

    details = Run.open(folder).record
    return Artefact(kind="run", path=folder, digest=run_digest, made=False, details=details)


def _tell(job: _Job) -> None:
    part = job.labelling
    several = ", images with several classes" if part.multi_label else ""
    dropped = f"; {part.dropped} images have no class and are left out" if part.dropped else ""
    job.progress.note(
        f"{part.num_classes} of the label map's {part.classes_total} classes are present in"
        f" {len(part)} images ({part.labels_present} {job.maps.labels.keyed_by}s{several}); loss"
        f" {job.loss}{dropped}"
    )
    if job.head:
        job.progress.note(f"the head has {job.head.num_outputs} outputs, of {job.head.name}")


def _train(job: _Job, folder: Path, run_digest: str) -> dict[str, Any]:
    import torch

    recipe, labelling, device = job.recipe, job.labelling, open_device(job.machine)
    computed = f"{device.type}, {precision(device, recipe.precision)}"
    network = models.build(
        recipe.model,
        channels=recipe.input.channels or 3,
        resolution=recipe.input.resolution,
        num_classes=job.head.num_outputs if job.head else labelling.num_classes,
        seed=job.seed,
    )
    set_head_bias(network.head, job.loss, labelling)
    network.to(device)
    check_ways(network, job.machine, job.world, device)
    if not (job.machine.recompute or job.machine.fsdp):
        check_memory(network, recipe, len(labelling), device, job.world, job.progress)
    side, channels = recipe.input.resolution, recipe.input.channels or 3
    images = _images(job, TRAIN, labelling)
    if recipe.augment.kind != "resized-crop":
        images.load()
    fitted = fit(
        network,
        images,
        Plan(
            optimizer=recipe.optimizer,
            schedule=recipe.schedule,
            steps=job.steps,
            batch_size=recipe.batch_size,
            clip=recipe.clip,
            augment=recipe.augment,
            seed=job.seed,
            accumulate=recipe.accumulate,
            ema=recipe.ema,
        ),
        Objective(
            labelling=labelling,
            kind=job.loss,
            smoothing=recipe.label_smoothing,
            look=recipe.input,
            augment=recipe.augment,
            seed=job.seed,
            device=device,
            head=job.head,
            precision=recipe.precision,
        ),
        device,
        log=MetricsLog(folder / METRICS_NAME, tensorboard=job.keeping.tensorboard),
        keeping=Keeping(
            folder=folder / CHECKPOINTS,
            run_digest=run_digest,
            starts=folder / STARTS_NAME,
            every_s=job.keeping.every_s,
            every_steps=job.keeping.every_steps,
            keep=job.keeping.newest,
            keep_every=job.keeping.marks,
        ),
        progress=job.progress,
        label=f"pretrain {job.head.name if job.head else job.maps.labels.name} seed {job.seed}",
        world=job.world,
        machine=job.machine,
        watch=Watch(network, torch.zeros(1, channels, side, side, device=device), job.world.size),
    )
    held_out = _held_out(job, network, device)
    return _details(job, fitted, held_out, computed)


def _images(job: _Job, split: str, labelling: Labelling) -> Images:
    return Images(
        shards=job.shards,
        split=split,
        row=labelling.row,
        look=job.recipe.input,
        machine=job.machine,
        progress=job.progress,
        order=job.recipe.order,
    )


def _held_out(job: _Job, network: Any, device: Any) -> dict[str, Any] | None:
    """Scores on the source's own held-out images; none for a map keyed by training images.

    Where several maps teach they are those of the classes of `labels`.
    """
    splits = [s for s in HELD_OUT_SPLITS if s in job.shards.splits]
    if not splits or job.maps.labels.keyed_by == "image":
        return None
    truth = label_images(job.shards, splits[0], job.maps.labels, job.labelling.class_ids)
    first, last = (len(truth) * r // job.world.size for r in (job.world.rank, job.world.rank + 1))
    ours = truth.only(np.arange(first, last))
    images, computed = _images(job, splits[0], ours), job.recipe.precision
    given = outputs(network, images, device, precision=computed)
    scores = score(own_scores(job.head, given), ours, job.world, sigmoid=job.loss == "sigmoid")
    return {"split": splits[0], **plain(scores)}


def _details(
    job: _Job, fitted: Fitted, held_out: dict[str, Any] | None, computed: str
) -> dict[str, Any]:
    recipe, labelling, labels = job.recipe, job.labelling, job.maps.labels
    return {
        "recipe": recipe.name,
        "seed": job.seed,
        "cut": {
            "name": labels.name,
            "method": labels.method,
            "params": plain(labels.params),
        },
        "classes_present": labelling.num_classes,
        "classes_total": labelling.classes_total,
        "labels": labelling.labels_present,
        "multi_label": labelling.multi_label,
        "images": len(labelling),
        "images_without_class": labelling.dropped,
        "images_seen": fitted.images_seen,
        "epochs": recipe.epochs,
        "steps": job.steps,
        "head": job.head.record() if job.head else None,
        "loss": job.loss,
        "train_loss": fitted.train_loss,
        "skipped_steps": fitted.skipped,
        "held_out": held_out,
        "resolution": recipe.input.resolution,
        "channels": recipe.input.channels,
        "labels_digest": labels.digest,
        "shards_digest": job.shards.digest,
        "computed": computed,
    }
