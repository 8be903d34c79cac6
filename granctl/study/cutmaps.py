"""The label maps behind the results, found by digest, and what the page draws of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from granctl.errors import GranctlError
from granctl.provenance import digest
from granctl.study.points import unclear_maps, with_points
from granctl.study.pretrainings import run_spec
from granctl.study.results import Result
from granctl.train.lookup import find_map
from granctl.tree.forest import CutView, Forest, Skeleton, draw_forests
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

if TYPE_CHECKING:
    from granctl.tree.taxonomy import Taxonomy


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A label map that some results were pretrained on."""

    name: str
    labels: LabelMap
    seed: int
    num_maps: int
    """Maps of this point among the results: random and clustered cuts have one a seed."""


def find_cuts(
    workspace: Workspace, results: Sequence[Result]
) -> tuple[list[Cut], frozenset[str] | None]:
    """The label maps behind the results (one a cut, of the lowest seed) and the labels present.

    Both are looked for by digest in the workspace. A map that is gone is left out; the labels
    present are those of the runs' shard sets, None where any of them is gone.
    """
    by_cut: dict[str, list[Result]] = defaultdict(list)
    for result in sorted(with_points(results), key=lambda r: (r["seed"], r["digest"])):
        if (result.get("source") or {}).get("labels_digest"):
            by_cut[result.get("point", result["source"]["cut"])].append(result)
    cuts: list[Cut] = []
    # As on the curve: by the classes that have images, not by all that the map knows.
    for name, group in sorted(
        by_cut.items(), key=lambda item: (item[1][0]["source"]["classes_present"], item[0])
    ):
        digests = {r["source"].get("labels_digest") for r in group}
        found = find_map(workspace, group[0]["source"].get("labels_digest"))
        if found is not None:
            seed = group[0]["seed"]
            cuts.append(Cut(name=name, labels=found[1], seed=seed, num_maps=len(digests)))
    return cuts, _labels_present(workspace, results)


def with_inputs(workspace: Workspace, results: Sequence[Result]) -> list[Result]:
    """The results; those of maps that only their inputs tell apart have `made_from` in `source`.

    It is the digest of the map's inputs, where the map lies in the workspace.
    """
    made_from = {}
    for name in unclear_maps(results):
        found = find_map(workspace, name)
        if found is not None:
            made_from[name] = digest(dict(found[1].inputs))
    return [_with_made_from(result, made_from) for result in results]


def _with_made_from(result: Result, made_from: Mapping[str, str]) -> Result:
    source = result.get("source") or {}
    known = made_from.get(str(source.get("labels_digest")))
    return result if known is None else {**result, "source": {**source, "made_from": known}}


def _labels_present(workspace: Workspace, results: Sequence[Result]) -> frozenset[str] | None:
    """The labels of the shard sets that the runs read, found by content digest."""
    from granctl.shards.index import ShardSet

    wanted = {_shards_digest(r) for r in results} - {None}
    present: set[str] = set()
    for folder in sorted(workspace.folder("shards").glob("*")):
        try:
            shards = ShardSet.open(folder)
        except (OSError, GranctlError):
            continue
        if shards.digest in wanted:
            wanted.discard(shards.digest)
            present.update(shards.labels)
    return None if wanted or not present else frozenset(present)


def _shards_digest(result: Result) -> str | None:
    if not result.get("source"):
        return None
    record = run_spec(result.get("run")).get("provenance") or {}
    return str((record.get("inputs") or {}).get("shards", "unknown"))


def find_taxonomy(workspace: Workspace, cuts: Sequence[Cut]) -> Taxonomy | None:
    """The taxonomy that the cuts through labels are of: the embedded one, or one kept here.

    None where there is no cut, where they are of several, or where it is gone.
    """
    from granctl.tree.store import embedded_wordnet, load_taxonomy

    if not cuts:
        return None
    by_label = [c for c in cuts if c.labels.keyed_by == "label"] or cuts
    named = {c.labels.inputs.get("taxonomy") for c in by_label} - {None}
    wordnet = embedded_wordnet()
    if named <= {wordnet.digest}:
        return wordnet
    for path in sorted(workspace.folder("taxonomy").glob("*.npz")):
        try:
            found = load_taxonomy(path)
        except (OSError, GranctlError):
            continue
        if named == {found.digest}:
            return found
    return None


MOST_OF_IMAGES = 2000
"""Classes of single images that are drawn: one an image would be millions of nodes."""


def drawn(cuts: Sequence[Cut]) -> list[Cut]:
    """The cuts that a page draws: not those that part single images into very many classes."""
    return [
        cut
        for cut in cuts
        if cut.labels.keyed_by == "label" or cut.labels.num_classes <= MOST_OF_IMAGES
    ]


MOST_GLOSSES = 4000
"""A larger tree goes without glosses: they would be most of the page's bytes."""


def forests_of(
    cuts: Sequence[Cut], present: Collection[str] | None, taxonomy: Taxonomy | None
) -> tuple[list[Forest], list[CutView]]:
    """What the page draws of the cuts: their forests and, in the cuts' order, their views.

    Args:
        cuts: what to show.
        present: labels that have images; None shows every label of the maps.
        taxonomy: gives each node its first parent; None (or an id it lacks) hangs below the root.
    """
    known = {n for c in cuts if c.labels.keyed_by == "label" for n in c.labels.labels}
    shown = known & set(present) if present is not None else known
    return draw_forests(
        [(cut.name, cut.labels) for cut in cuts],
        dict.fromkeys(shown, 1) if known else None,
        Skeleton.of(taxonomy),
        most_glosses=MOST_GLOSSES,
    )
