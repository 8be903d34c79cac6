"""What a pretraining on Slurm would be: its script, and how much it computes and writes."""

from __future__ import annotations

import shutil
from typing import Any

from granctl.launch.slurm import job_script
from granctl.launch.trainjob import (
    SCRIPT,
    Command,
    SlurmTraining,
    job_of,
    submitted_of,
    train_folder,
)
from granctl.progress import Progress
from granctl.train.asked import Asked
from granctl.train.footprint import checkpoint_bytes
from granctl.train.metrics import METRICS_NAME, rate_of, read_metrics
from granctl.train.starts import STARTS_NAME, read_starts

_CHECKPOINTS = 3
"""At once on the disk: the newest two, and the one that is being written."""


def foresee_pretraining(
    asked: Asked, how: SlurmTraining, command: Command, progress: Progress
) -> tuple[str, dict[str, Any]]:
    """The script that would be submitted, and a record with the numbers; nothing is written.

    Of a run that is whole, its path.

    Raises:
        GranctlError: the inputs do not go together.
    """
    folder = asked.folder
    base = {"kind": "slurm-jobs", "path": str(folder), "digest": asked.digest, "made": False}
    if asked.state() == "whole":
        progress.note("run is there already, whole: nothing to submit")
        return str(folder), {**base, "scripts": {}, "schema": 1}
    submitted = submitted_of(asked, how)
    record = {**base, "schema": 1, **_numbers(asked, how)}
    path = str(train_folder(folder) / SCRIPT)
    script = job_script(job_of(submitted, how, command))
    progress.note(_sentence(record))
    return f"# {path}\n{script}", {**record, "scripts": {path: script}}


def _numbers(asked: Asked, how: SlurmTraining) -> dict[str, Any]:
    images, epochs = asked.num_images, asked.recipe.epochs
    rate, source = _rate(asked, how)
    left = images * epochs - _images_seen(asked)
    hours = left / rate / 3600 if rate else None
    gpus = how.nodes * how.gpus_per_node
    one = checkpoint_bytes(asked.recipe, asked.num_outputs)
    there = next(path for path in asked.folder.parents if path.is_dir())
    return {
        "steps": asked.steps,
        "epochs": epochs,
        "images": images,
        "images_in_all": images * epochs,
        "images_left": left,
        "processes": how.processes,
        "gpus": gpus,
        "images_per_second": rate,
        "rate_from": source,
        "hours": hours,
        "gpu_hours": hours * gpus if hours is not None and gpus else None,
        "checkpoint_bytes": one,
        "disk_bytes": _CHECKPOINTS * one,
        "free_bytes": shutil.disk_usage(there).free,
    }


def _rate(asked: Asked, how: SlurmTraining) -> tuple[float | None, str | None]:
    """Images a second of all processes, and how that is known.

    Of an earlier start it is known if that had as many processes.
    """
    if how.images_per_second is not None:
        return how.images_per_second, "--images-per-second"
    starts = read_starts(asked.folder / STARTS_NAME)
    if not starts or starts[-1].processes != how.processes:
        return None, None
    lines = read_metrics(asked.folder / METRICS_NAME)
    rate = rate_of([line for line in lines if line["step"] > starts[-1].step])
    return rate, "an earlier start of this run" if rate else None


def _images_seen(asked: Asked) -> int:
    lines = read_metrics(asked.folder / METRICS_NAME)
    return int(lines[-1]["images_seen"]) if lines else 0


def _sentence(record: dict[str, Any]) -> str:
    """The numbers, for people."""
    of = f"{record['gpus']} GPUs" if record["gpus"] else f"{record['processes']} processes"
    time = "how long it takes is not known: give --images-per-second"
    if record["hours"] is not None:
        gpu_hours = record["gpu_hours"]
        spent = f", {gpu_hours:,.3g} GPU-hours" if gpu_hours is not None else ""
        rate = f"{record['images_per_second']:,.0f} images/s ({record['rate_from']})"
        time = f"{record['hours']:,.3g} hours{spent} at {rate}"
    return (
        f"{record['steps']:,} steps: {record['epochs']:,} epochs of {record['images']:,} images,"
        f" {record['images_in_all']:,} in all; {of}; {time}; checkpoints of"
        f" {record['checkpoint_bytes'] / 1e6:,.1f} MB, at most {record['disk_bytes'] / 1e6:,.1f} MB"
        f" at once, and {record['free_bytes'] / 1e6:,.0f} MB are free"
    )
