"""What a representation is measured on: images with a train and a held-out split, and classes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import BadOptionError
from granctl.progress import Progress
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.datasets import check_still_whole
from granctl.shards.index import ShardSet
from granctl.shards.source.knownsets import registered_name
from granctl.shards.store import url_of
from granctl.tree.cuts import depth_cut, label_map_of, level_cut, nodes_of_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.store import embedded_wordnet
from granctl.workspace import MANIFEST_NAME, Workspace

_CUT = re.compile(r"(leaf)|(depth|level)-(\d+)")


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """Images and the classes they are to be told apart by."""

    name: str
    """As `embedded@depth-7`."""
    shards: ShardSet
    labels: LabelMap

    @property
    def cut(self) -> str:
        """The short name of the label map."""
        return self.labels.name


def open_target(workspace: Workspace, text: str, progress: Progress) -> Target:
    """The target that `NAME[@CUT]` means; its shards are built when they are not there.

    NAME is `embedded`, a data set of `granctl data add`, a folder of classes or a
    shard set (a folder or a URL). CUT is
    `leaf` (every label a class; the default), `depth-D` or `level-K` over the embedded WordNet.

    Raises:
        UnknownDataError: NAME is neither a data set nor a folder.
        BadOptionError: CUT is none of these.
        LabelsNotInTaxonomyError: the labels are no wnids, and the cut needs a tree.
    """
    name, _, cut = text.rpartition("@") if _has_cut(text) else (text, "", "leaf")
    found = _CUT.fullmatch(cut)
    if found is None or not name:
        raise BadOptionError(
            "--target",
            f"{text!r} is not NAME or NAME@CUT",
            "CUT is leaf, depth-D or level-K, as in embedded@depth-7",
        )
    shards = shards_named(workspace, name, progress)
    name = registered_name(workspace, name)
    known = name if name in ("embedded", *workspace.data_names()) else Path(name).resolve().name
    return Target(name=f"{known}@{cut}", shards=shards, labels=_classes(shards, found))


def classes_named(shards: ShardSet, cut: str) -> LabelMap | None:
    """The classes that the CUT of a target's name gives the labels of a shard set; None: no cut.

    Raises:
        LabelsNotInTaxonomyError: the labels are no wnids, and the cut needs a tree.
    """
    found = _CUT.fullmatch(cut)
    return None if found is None else _classes(shards, found)


def _classes(shards: ShardSet, cut: re.Match[str]) -> LabelMap:
    return _leaves(shards) if cut[1] else _by_tree(shards, cut[2], int(cut[3]))


def given_target(shards: Path, labels: Path) -> Target:
    """The target of a shard set under a label map.

    Raises:
        GranctlError: one of them is missing or damaged.
    """
    label_map = LabelMap.read(labels)
    name = f"{shards.resolve().name}@{label_map.name}"
    return Target(name=name, shards=ShardSet.open(shards), labels=label_map)


def _has_cut(text: str) -> bool:
    """A folder may have an @ in its name."""
    return "@" in text and not Path(text).exists()


def shards_named(
    workspace: Workspace, name: str, progress: Progress, *, holdout_frac: float = 0.1
) -> ShardSet:
    """The shard set that a registered name, a folder or a URL means; built where there is none.

    Args:
        workspace: where names are registered and shards are built.
        name: what is meant.
        progress: told what is built.
        holdout_frac: the part of a source without held-out images that becomes `val`.

    Raises:
        UnknownDataError: it is neither a data set nor a folder.
        DataNotWholeError: a known data set lacks classes or images.
        GranctlError: it is damaged, or no source.
    """
    if url_of(name) is not None:
        return ShardSet.open(name)
    check_still_whole(workspace, name, progress)
    folder = workspace.data_names().get(name, Path(name).expanduser())
    if name != "embedded" and (folder / MANIFEST_NAME).is_file():
        return ShardSet.open(folder)
    spec = BuildSpec(source=name, holdout_frac=holdout_frac)
    built = build_shards(workspace, spec, None, progress)
    if built.made:
        progress.note(f"built the shards of {name}: {built.path}")
    return ShardSet.open(built.path)


def _leaves(shards: ShardSet) -> LabelMap:
    """Every label its own class, in the order of the labels; they need not be wnids."""
    taxonomy = embedded_wordnet()
    index_of = taxonomy.index_of
    names = [taxonomy.name(index_of[i]) if i in index_of else i for i in shards.labels]
    return LabelMap.from_single(
        shards.labels,
        np.arange(len(shards.labels)),
        class_ids=shards.labels,
        class_names=tuple(names),
        method="leaf",
        inputs={"shards": shards.digest},
    )


def _by_tree(shards: ShardSet, method: str, steps: int) -> LabelMap:
    """The labels of the shards cut by the embedded WordNet, with the default policies."""
    taxonomy = embedded_wordnet()
    nodes = nodes_of_labels(taxonomy, shards.labels, f"labels of {shards.name}")
    params: dict[str, Any] = {method: steps}
    if method == "depth":
        cut = depth_cut(taxonomy, nodes, steps)
        params |= {"policy": "first", "shallow": "keep"}
    else:
        cut = level_cut(taxonomy, nodes, steps)
        params |= {"policy": "all"}
    inputs = {"taxonomy": taxonomy.digest, "shards": shards.digest}
    return label_map_of(taxonomy, shards.labels, cut, method=method, params=params, inputs=inputs)
