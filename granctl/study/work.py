"""The work of a study's cells: functions that worker processes call by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from granctl.progress import Progress
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.spec import parse
from granctl.study.classlookup import class_lookup
from granctl.study.cuts import make_cut
from granctl.study.cutspec import CutSpec
from granctl.study.fair import with_fair_epochs
from granctl.study.studytables import TaxonomyTable
from granctl.train.asked import PretrainSpec
from granctl.train.embed import EmbedSpec, embed
from granctl.train.pretrain import pretrain
from granctl.train.recipe import Recipe
from granctl.train.runs import Run
from granctl.train.targets import given_target, open_target
from granctl.train.transfer import transfer
from granctl.train.transferspec import Method, TransferSpec
from granctl.workspace import Artefact, Workspace

if TYPE_CHECKING:
    from granctl.tree.draft import Imported


def import_taxonomy(workspace: Workspace, progress: Progress, table: TaxonomyTable) -> Artefact:
    """Reads the study's own hierarchy."""
    from granctl.tree.keep import keep_taxonomy

    return keep_taxonomy(workspace, read_taxonomy(table), None, progress)


def read_taxonomy(table: TaxonomyTable) -> Imported:
    """The study's own hierarchy, as its file says it.

    Raises:
        GranctlError: the file is missing, or has faults.
    """
    from granctl.tree.import_edges import read_edges
    from granctl.tree.import_folders import read_folders
    from granctl.tree.import_json import read_json_tree
    from granctl.tree.import_table import read_table

    path = Path(table.path)
    return {
        "table": lambda: read_table(path, table.columns, table.id, table.root),
        "edges": lambda: read_edges(path, table.columns, table.root),
        "folders": lambda: read_folders(path, ids=table.ids, ranks=table.ranks, root=table.root),
        "json": lambda: read_json_tree(path, table.root),
    }[table.form]()


def shards_of(
    workspace: Workspace,
    progress: Progress,
    source: str,
    options: Mapping[str, Any],
    labels: Path | None = None,
) -> Artefact:
    """Builds the study's shard set; `labels` names the folders that are labels where they nest."""
    spec = build_spec(source, options)
    if labels is not None:
        spec = replace(spec, classes=class_lookup(labels))
    return build_shards(workspace, spec, None, progress)


def build_spec(source: str, options: Mapping[str, Any]) -> BuildSpec:
    """The build that a study's `source` and `build` table mean.

    Raises:
        SpecError: an unknown option, or one of another type.
    """
    return parse(BuildSpec, {"source": source, **options}, "the study's table build")


def cut(workspace: Workspace, progress: Progress, spec: CutSpec, **paths: Path | None) -> Artefact:
    """Makes a cut; `paths` are those of its fields that other cells made."""
    return make_cut(workspace, replace(spec, **cast(Any, paths)), None, progress)


def pretrain_on(
    workspace: Workspace,
    progress: Progress,
    shards: Path,
    labels: Path,
    recipe: Recipe,
    seed: int,
    images: int | None,
    equal_compute: Mapping[str, int | None] | None = None,
) -> Artefact:
    """Pretrains under a label map; `equal_compute` says by how many images (None: all)."""
    spec = PretrainSpec(shards=shards, labels=labels, recipe=recipe, seed=seed, images=images)
    if equal_compute is not None:
        fair = with_fair_epochs(workspace, spec, equal_compute["images"])
        spec = replace(spec, recipe=fair)
    return pretrain(workspace, spec, None, progress)


def embed_with(workspace: Workspace, progress: Progress, run: Path, shards: Path) -> Artefact:
    """Embeds the training images, for clusters."""
    return embed(workspace, EmbedSpec(origin=Run.open(run), shards=shards), None, progress)


def transfer_to(
    workspace: Workspace,
    progress: Progress,
    target: str,
    method: Method,
    seed: int,
    per_class: int | None,
    steps: int | None,
    recipe: Recipe | None = None,
    options: Mapping[str, Any] | None = None,
    run: Path | None = None,
    shards: Path | None = None,
    labels: Path | None = None,
) -> Artefact:
    """Measures a run, or none, on a target; `shards` and `labels` are the study's own."""
    if shards is not None and labels is not None:
        goal = replace(given_target(shards, labels), name=target)
    else:
        goal = open_target(workspace, target, progress)
    spec = TransferSpec(
        target=goal,
        method=method,
        run=run,
        recipe=recipe,
        per_class=per_class,
        steps=steps,
        seed=seed,
        **(options or {}),
    )
    return transfer(workspace, spec, None, progress)
