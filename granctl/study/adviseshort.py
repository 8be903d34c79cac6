"""Short pretrainings of every candidate, and the target read out: cells, so that they go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.study import work
from granctl.study.adviseevidence import TRAIN
from granctl.study.advisefeatures import rows_of_images
from granctl.study.adviseprobe import SOURCE_SHARE, Ints, Reader, divided
from granctl.study.cells import Cell, run_cells
from granctl.train.asked import PretrainSpec, ask
from granctl.train.labelling import label_images
from granctl.train.recipe import DEFAULT_RECIPE, Recipe, load_recipe, settings
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

_FLAT = 1e-12
FIRST_SEED = 2000
"""Of the short runs: none of a study's, so that advice is not judged by the runs that it saw."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortSpec:
    """How every candidate is tried."""

    recipe: Recipe
    """Its `epochs` are those of the short runs."""
    seeds: int
    """Runs of each candidate."""

    @classmethod
    def of_options(
        cls, epochs: int | None, seeds: int, recipe: str | None, pairs: Sequence[str]
    ) -> ShortSpec | None:
        """What the options of a command line mean; None without `--short`.

        Raises:
            BadOptionError: numbers below 1, or options of short runs without `--short`.
            UserError: there is no such recipe, or a value that it cannot have.
        """
        if epochs is None:
            for option, given in (("--recipe", recipe), ("--set", pairs)):
                if given:
                    problem = "it says how the short runs train"
                    raise BadOptionError(option, problem, "add --short EPOCHS, or leave it out")
            return None
        for option, value in (("--short", epochs), ("--seeds", seeds)):
            if value < 1:
                raise BadOptionError(option, f"{value} is below 1", "give 1 or more")
        chosen = load_recipe(recipe or DEFAULT_RECIPE, settings(pairs, epochs=epochs))
        return cls(recipe=chosen, seeds=seeds)


@dataclass(frozen=True, kw_only=True, eq=False)
class ShortData:
    """What is pretrained on, and read out."""

    source: ShardSet
    cuts: Sequence[Path]
    """Label maps."""
    target: ShardSet
    classes: Ints
    """Shape (m,): the target's class of each of its training images, -1 for none."""

    @property
    def same_images(self) -> bool:
        """Whether the target's images are the source's."""
        return self.source.digest == self.target.digest


def short_runs(
    workspace: Workspace,
    data: ShortData,
    spec: ShortSpec,
    per_class: int,
    processes: int,
    progress: Progress,
) -> NDArray[np.float64]:
    """Pretrains on every cut and reads the target out of what the network sees, as the probe does.

    Where the target's images are the source's, three quarters of them pretrain and the others are
    read out. No held-out image is looked at. Runs and features lie in the workspace like any
    others, and are found again.

    Args:
        workspace: where they go.
        data: images and classes.
        spec: how long, and how often.
        per_class: labelled images a class that teach the read-out, at most.
        processes: at least 1, of one thread each.
        progress: told each run.

    Returns:
        Top-1, shape (seeds, cuts).

    Raises:
        GranctlError: a run failed.
    """
    seeds = range(FIRST_SEED, FIRST_SEED + spec.seeds)
    asked = {(s, i): _asked(data, spec, cut, s) for s in seeds for i, cut in enumerate(data.cuts)}
    target = Path(data.target.where)
    cells = []
    for (seed, i), one in asked.items():
        run = {key: getattr(one, key) for key in ("shards", "labels", "recipe", "seed", "images")}
        name, needs = f"run.{i}.s{seed}", {"run": f"run.{i}.s{seed}"}
        cells.append(Cell(name=name, work=work.pretrain_on, params=run))
        seen = {"shards": target}
        cells.append(Cell(name=f"see.{i}.s{seed}", work=work.embed_with, params=seen, needs=needs))
    done = run_cells(workspace, cells, processes, progress)
    scores = np.zeros((spec.seeds, len(data.cuts)))
    for row, seed in enumerate(seeds):
        free = data.classes >= 0
        if data.same_images:
            for i in range(len(data.cuts)):
                free[ask(workspace, asked[seed, i], None).labelled[0].row] = False
        rng = np.random.default_rng(seed)
        teaches, scored = divided(data.classes, np.flatnonzero(free), per_class, rng)
        for i in range(len(data.cuts)):
            path = done[f"see.{i}.s{seed}"].path
            rows = rows_of_images(Features.read(path), path, data.target, "--features")
            rows /= np.maximum(rows.std(axis=0), _FLAT)
            reader = Reader(target=rows, classes=data.classes, teaches=teaches, scored=scored)
            scores[row, i] = reader.top1(np.eye(rows.shape[1]))
    return scores


def _asked(data: ShortData, spec: ShortSpec, cut: Path, seed: int) -> PretrainSpec:
    images = None
    if data.same_images:
        labelled = label_images(data.source, TRAIN, LabelMap.read(cut))
        images = max(round(SOURCE_SHARE * len(labelled)), 1)
    where = Path(data.source.where)
    return PretrainSpec(shards=where, labels=cut, recipe=spec.recipe, seed=seed, images=images)
