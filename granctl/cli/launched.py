"""`granctl pretrain` and `sweep run` with `--launcher`: jobs, submitted or only shown."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

import typer

from granctl.cli.console import Session
from granctl.cli.launchoptions import (
    StudyLaunch,
    TrainingLaunch,
    given_words,
    training_options,
)
from granctl.launch.estimate import foresee_pretraining
from granctl.launch.pretraining import pretrain_on_slurm
from granctl.launch.slurm import Resources
from granctl.launch.studyjobs import SlurmStudy
from granctl.launch.trainjob import Command, SlurmTraining
from granctl.study.cluster import foresee_study, run_on_slurm
from granctl.study.studyfile import Study
from granctl.train.asked import PretrainSpec, ask

_OURS = {"shards", "labels", "recipe", "out", "workspace", "json", "quiet"}
"""Options that a job is told in full, or does not need."""


def launched(
    session: Session,
    launch: TrainingLaunch,
    spec: PretrainSpec,
    out: Path | None,
    recipe: str,
    context: typer.Context,
) -> None:
    """Submits the training and waits, or shows what would be submitted.

    Raises:
        BadOptionError: a value cannot be used.
        GranctlError: as `pretrain_on_slurm`.
    """
    how = SlurmTraining(**(launch.slurm or {}), resources=Resources(**launch.resources))
    how.check()
    leave_out = _OURS | set(inspect.signature(training_options).parameters)
    command = Command(
        workspace=session.workspace.root,
        shards=spec.shards,
        labels=spec.labels,
        recipe=recipe,
        given=given_words(context, leave_out),
    )
    asked = ask(session.workspace, spec, out)
    if launch.dry_run:
        session.answer(*foresee_pretraining(asked, how, command, session.progress))
    else:
        session.emit(pretrain_on_slurm(asked, how, command, session.progress))


def launched_study(
    session: Session, launch: StudyLaunch, study: Study, only: Sequence[str]
) -> None:
    """Submits a study's cells and waits, or shows what would be submitted.

    Raises:
        BadOptionError: a value cannot be used.
        GranctlError: as `run_on_slurm`.
    """
    how = SlurmStudy(**(launch.slurm or {}), resources=Resources(**launch.resources))
    how.check()
    asked = (session.workspace, study, how, session.progress, only)
    if launch.dry_run:
        session.answer(*foresee_study(*asked))
    else:
        session.emit(run_on_slurm(*asked))
