"""The one way to make any cut: what was asked, checked; then a label map in the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from granctl.errors import (
    GranctlError,
    ManifestMismatchError,
    OutputExistsError,
)
from granctl.progress import Progress
from granctl.provenance import provenance, short
from granctl.study.cutplan import CutPlan
from granctl.study.cutspec import CutSpec
from granctl.study.labelimages import KnownImages
from granctl.study.treecuts import TREE_METHODS, tree_plan
from granctl.tree.labelmap import LabelMap
from granctl.tree.stats import describe
from granctl.tree.store import embedded_wordnet, load_taxonomy
from granctl.tree.taxonomy import Taxonomy
from granctl.workspace import Artefact, Workspace


def make_cut(workspace: Workspace, spec: CutSpec, out: Path | None, progress: Progress) -> Artefact:
    """Makes the label map of a cut, or finds it.

    Raises:
        BadOptionError: options that contradict each other.
        BeyondTreeError: a depth or level that no label reaches.
        ClusterCountError: a number of classes that cannot be had.
        NotCoveredError: labels lie under none of the nodes of a file.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged.
    """
    spec.check()
    taxonomy = open_taxonomy(spec.taxonomy)
    plan, images = _plan(spec, taxonomy, progress)
    path = out or workspace.place("label-map", plan.name, plan.digest, ".parquet")
    found = _found(path, plan.digest, is_ours=out is None)
    label_map = found or _computed(plan, spec, path)
    return Artefact(
        kind="label-map",
        path=path,
        digest=plan.digest,
        made=found is None,
        details=_details(label_map, taxonomy, images),
    )


def _details(label_map: LabelMap, taxonomy: Taxonomy, images: KnownImages | None) -> dict[str, Any]:
    facts = describe(label_map, taxonomy, None if images is None else images.of_label)
    return facts | {"images": None if images is None else dict(images.origin)}


def open_taxonomy(path: Path | None) -> Taxonomy:
    """The taxonomy in a file; None: the embedded WordNet 3.0."""
    return embedded_wordnet() if path is None else load_taxonomy(path)


def _computed(plan: CutPlan, spec: CutSpec, path: Path) -> LabelMap:
    fields = {"method": plan.method, "params": plan.params, "inputs": plan.inputs}
    record = provenance(spec, plan.inputs)
    label_map = plan.compute({**fields, "keyed_by": plan.keyed_by, "provenance": record})
    label_map.write(path)
    return label_map


def _found(path: Path, digest: str, *, is_ours: bool) -> LabelMap | None:
    """The whole map that lies at the path already; None: there is none.

    A damaged map at our own place, which is named by its digest, is made again.
    """
    if not path.exists():
        return None
    try:
        label_map = LabelMap.read(path)
    except (GranctlError, OSError) as error:
        if is_ours and isinstance(error, ManifestMismatchError):
            return None
        raise OutputExistsError(path, "something that is no whole label map") from error
    if label_map.digest != digest:
        raise OutputExistsError(path, f"another label map (digest {short(label_map.digest)})")
    return label_map


def _plan(
    spec: CutSpec, taxonomy: Taxonomy, progress: Progress
) -> tuple[CutPlan, KnownImages | None]:
    if spec.method in TREE_METHODS:
        return tree_plan(spec, taxonomy)
    # Shard sets and clusters are not loaded for a cut of the tree alone.
    return _plan_with_images(spec, taxonomy, progress), None


def _plan_with_images(spec: CutSpec, taxonomy: Taxonomy, progress: Progress) -> CutPlan:
    from granctl.study.clustercuts import cluster_plan
    from granctl.study.controlcuts import each_image_plan, random_plan

    if spec.method == "part":
        from granctl.study.partcuts import part_plan

        return part_plan(spec)
    if spec.method == "random":
        return random_plan(spec, taxonomy)
    if spec.method == "per-image":
        return each_image_plan(spec, taxonomy)
    return cluster_plan(spec, taxonomy, progress)
