"""The paper's question in small: the whole road on the embedded images, in minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.shards.write import BuildSpec, build_shards
from granctl.study.cells import Cell, run_cells
from granctl.study.cuts import make_cut
from granctl.study.cutspec import CutSpec
from granctl.study.report import report_of
from granctl.study.summary import Panel
from granctl.train.embed import embed
from granctl.train.pretrain import PretrainSpec, pretrain
from granctl.train.recipe import Recipe
from granctl.train.targets import open_target
from granctl.train.transfer import transfer
from granctl.train.transferspec import Method, TransferSpec
from granctl.workspace import Artefact, Workspace

COARSE_DEPTH = 7
"""The ten labels fall into five classes at this depth of WordNet: the main target."""
DEPTHS = (5, 6, COARSE_DEPTH)
"""Two, three and five classes."""
CLUSTERS = (40, 160)
"""Classes of k-means inside the five."""
FEATURES_SEED = 1000
"""Of the run whose features are clustered: none of the study's, so no run meets its own."""
TARGETS = (f"embedded@depth-{COARSE_DEPTH}", "embedded@leaf")


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoSpec:
    """What `granctl demo` is asked."""

    recipe: Recipe
    seeds: int = 3
    """Runs of every source, seeds 0, 1 ..."""
    processes: int = 2
    """Each with one thread."""
    per_class: int = 20
    """Labelled images of each target class."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        for option in ("seeds", "processes", "per_class"):
            if getattr(self, option) < 1:
                name = f"--{option.replace('_', '-')}"
                raise BadOptionError(name, f"{getattr(self, option)} is below 1", "give 1 or more")


def demo(
    workspace: Workspace, spec: DemoSpec, out: Path | None, progress: Progress
) -> tuple[Artefact, tuple[Panel, ...]]:
    """Cuts, builds, pretrains, transfers and reports; goes on where the same demo was stopped.

    Raises:
        BadOptionError: a value cannot be used.
        GranctlError: a stage failed; what is whole stays.
    """
    spec.check()
    progress.note("1/4 the tree: WordNet 3.0, cut at several depths over the 21,843 labels")
    cuts = {f"depth-{d}": CutSpec(method="depth", depth=d) for d in DEPTHS}
    cuts["leaf"] = CutSpec(method="level", level=0)
    maps = {name: _cut(workspace, cut, progress) for name, cut in cuts.items()}
    progress.note("2/4 the shards: a slice of Fashion-MNIST, ten labels, written once")
    shards = build_shards(workspace, BuildSpec(), None, progress).path
    cells = _cells(spec, shards, maps)
    num_runs = sum(cell.work is _pretrain for cell in cells)
    progress.note(
        f"3/4 {num_runs} pretrainings of {spec.recipe.name}, each transferred to"
        f" {' and '.join(TARGETS)} with {spec.per_class} labelled images a class;"
        f" {spec.processes} processes of one thread"
    )
    done = run_cells(workspace, cells, spec.processes, progress)
    progress.note("4/4 the report")
    results = [a.path for a in done.values() if a.kind == "result"]
    return report_of(workspace, results, out, progress)


def _cells(spec: DemoSpec, shards: Path, maps: Mapping[str, Path]) -> list[Cell]:
    """All that takes long, in an order in which needs come first and the longest chain starts."""
    run = {"recipe": spec.recipe, "shards": shards}
    features = f"depth-{COARSE_DEPTH}"
    cells = [
        Cell(
            name="run to cluster by",
            work=_pretrain,
            params={**run, "labels": maps[features], "seed": FEATURES_SEED},
        ),
        Cell(
            name="features",
            work=_embed,
            params={"shards": shards},
            needs={"run": "run to cluster by"},
        ),
        *_cut_cells(shards, maps, features),
    ]
    few = {"per_class": spec.per_class, "recipe": None}
    for seed in range(spec.seeds):
        for source in [*maps, *_made_cuts()]:
            name = f"{source} seed {seed}"
            known = {"labels": maps[source]} if source in maps else {}
            needs = {} if source in maps else {"labels": source}
            cells.append(
                Cell(name=name, work=_pretrain, params={**run, **known, "seed": seed}, needs=needs)
            )
            for target in TARGETS:
                params = {**few, "target": target, "method": "finetune", "seed": seed}
                cells.append(
                    Cell(
                        name=f"{name} to {target}",
                        work=_transfer,
                        params=params,
                        needs={"run": name},
                    )
                )
        for target in TARGETS:
            alone = {**few, "recipe": spec.recipe, "target": target, "method": "scratch"}
            name = f"scratch seed {seed} on {target}"
            cells.append(
                Cell(name=name, work=_transfer, params={**alone, "run": None, "seed": seed})
            )
    return cells


def _made_cuts() -> list[str]:
    """The cuts that are not of the tree: aligned clusters, and random labels."""
    return [*(f"kmeans-{n}" for n in CLUSTERS), "random"]


def _cut_cells(shards: Path, maps: Mapping[str, Path], within: str) -> list[Cell]:
    cells = [
        Cell(
            name=f"kmeans-{n}",
            work=_clusters,
            params={"shards": shards, "within": maps[within], "classes": n},
            needs={"features": "features"},
        )
        for n in CLUSTERS
    ]
    random = {"shards": shards, "like": maps["leaf"]}
    return [*cells, Cell(name="random", work=_random, params=random)]


# --- the work of the cells: called in worker processes, by name ----------------------------------


def _cut(workspace: Workspace, spec: CutSpec, progress: Progress) -> Path:
    return make_cut(workspace, spec, None, progress).path


def _clusters(
    workspace: Workspace,
    progress: Progress,
    shards: Path,
    within: Path,
    classes: int,
    features: Path,
) -> Artefact:
    spec = CutSpec(
        method="kmeans", classes=classes, within=within, shards=shards, features=features
    )
    return make_cut(workspace, spec, None, progress)


def _random(workspace: Workspace, progress: Progress, shards: Path, like: Path) -> Artefact:
    return make_cut(workspace, CutSpec(method="random", like=like, shards=shards), None, progress)


def _pretrain(
    workspace: Workspace,
    progress: Progress,
    shards: Path,
    labels: Path,
    recipe: Recipe,
    seed: int,
) -> Artefact:
    spec = PretrainSpec(shards=shards, labels=labels, recipe=recipe, seed=seed)
    return pretrain(workspace, spec, None, progress)


def _embed(workspace: Workspace, progress: Progress, run: Path, shards: Path) -> Artefact:
    return embed(workspace, run, shards, "train", None, progress)


def _transfer(
    workspace: Workspace,
    progress: Progress,
    target: str,
    method: Method,
    run: Path | None,
    recipe: Recipe | None,
    per_class: int,
    seed: int,
) -> Artefact:
    spec = TransferSpec(
        target=open_target(workspace, target, progress),
        method=method,
        run=run,
        recipe=recipe,
        per_class=per_class,
        seed=seed,
    )
    return transfer(workspace, spec, None, progress)
