"""Short pretrainings of every candidate, scored on the target: cells, so that they go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.files import read_json
from granctl.progress import Progress
from granctl.study import work
from granctl.study.cells import Cell, run_cells
from granctl.train.recipe import DEFAULT_RECIPE, Recipe, load_recipe, settings
from granctl.workspace import Workspace

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


def short_runs(
    workspace: Workspace,
    spec: ShortSpec,
    shards: Path,
    cuts: Sequence[Path],
    target: tuple[str, Path, Path],
    processes: int,
    progress: Progress,
) -> NDArray[np.float64]:
    """Pretrains on every cut and asks the nearest neighbours on the target.

    Runs and results lie in the workspace like any others, and are found again.

    Args:
        workspace: where they go.
        spec: how long, and how often.
        shards: the source.
        cuts: label maps.
        target: its name, shard set and label map.
        processes: at least 1, of one thread each.
        progress: told each run.

    Returns:
        Top-1, shape (seeds, cuts).

    Raises:
        GranctlError: a run failed.
    """
    name, target_shards, target_labels = target
    seeds = range(FIRST_SEED, FIRST_SEED + spec.seeds)
    cells = []
    for seed in seeds:
        for i, cut in enumerate(cuts):
            run = {"shards": shards, "labels": cut, "recipe": spec.recipe, "seed": seed}
            goal = {"target": name, "shards": target_shards, "labels": target_labels}
            how = {"method": "knn", "seed": seed, "per_class": None, "steps": None}
            cells += [
                Cell(
                    name=f"run.{i}.s{seed}", work=work.pretrain_on, params={**run, "images": None}
                ),
                Cell(
                    name=f"knn.{i}.s{seed}",
                    work=work.transfer_to,
                    params={**goal, **how},
                    needs={"run": f"run.{i}.s{seed}"},
                ),
            ]
    done = run_cells(workspace, cells, processes, progress)
    rows = [[done[f"knn.{i}.s{seed}"].path for i in range(len(cuts))] for seed in seeds]
    return np.array([[read_json(path)["top1"] for path in row] for row in rows])
