"""`tree draw`: joins a taxonomy, label maps and counts of images, and keeps the drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from granctl import __version__
from granctl.errors import BadOptionError, NothingBelowError, OutputExistsError, near
from granctl.files import write_bytes, writing
from granctl.progress import Progress
from granctl.provenance import digest, short
from granctl.study.cuts import open_taxonomy
from granctl.tree.cuts import nodes_of_labels
from granctl.tree.draw import Drawing, draw_html
from granctl.tree.draw_svg import draw_svg
from granctl.tree.drawing import SHAPES, asset, script, style
from granctl.tree.forest import Forest, Skeleton, draw_forests
from granctl.tree.keep import chosen_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import LabelList
from granctl.tree.parents import SINGLE_POLICIES, Policy
from granctl.tree.taxonomy import Taxonomy
from granctl.workspace import Artefact, Workspace

FORMATS = ("html", "svg")
WEIGHTS = ("labels", "images")
MOST_GLOSSES = 40_000
"""Nodes up to which a page has glosses; all of ImageNet-21k's tree is 2 MB of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawSpec:
    """What is drawn, and how."""

    labels: tuple[Path, ...] = ()
    """Label maps; each a tab of a page, a panel of a picture."""
    list: str | None = None
    """Label list; None: the labels of the maps, else the taxonomy's own."""
    root: int | None = None
    """Node index: only what lies at or under it."""
    weights: str = "labels"
    """What a width counts: labels or images."""
    shards: Path | None = None
    """A shard set that says how many images each label has."""
    taxonomy: Path | None = None
    """None: the embedded WordNet 3.0."""
    format: str = "html"
    shape: str = "icicle"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> DrawSpec:
        """The spec of what was given on a command line.

        Raises:
            BadOptionError: as `check`.
        """
        spec = cls(**options)
        spec.check()
        return spec

    def check(self) -> None:
        """Checks the choices and that nothing contradicts them.

        Raises:
            BadOptionError: names the option.
        """
        choices = {"format": FORMATS, "shape": SHAPES, "weights": WEIGHTS}
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                like = near(value, known)
                hint = f"did you mean {like[0]}?" if like else f"take one of {', '.join(known)}"
                raise BadOptionError(f"--{name}", f"there is no {name} {value!r}", hint)
        if self.shards is not None and self.weights != "images":
            problem = "it has no meaning where labels are counted"
            raise BadOptionError("--shards", problem, "add --weights images")


def draw_tree(
    workspace: Workspace, spec: DrawSpec, out: Path | None, progress: Progress
) -> Artefact:
    """Draws a taxonomy with its cuts as one file, or finds it drawn.

    Raises:
        BadOptionError: nothing says how many images the labels have.
        NothingBelowError: there is no label at or below the root.
        LabelsNotInTaxonomyError: the maps or the list are of another taxonomy.
        OutputExistsError: `out` holds something else.
        GranctlError: an input is missing or damaged.
    """
    drawing = _drawing(spec, open_taxonomy(spec.taxonomy))
    identity = digest(_identity(spec, drawing))
    path = out or workspace.place("report", f"tree-{spec.shape}", identity, f".{spec.format}")
    text = draw_html(drawing, identity) if spec.format == "html" else draw_svg(drawing)
    made = _write(path, text.encode(), is_ours=out is None)
    progress.note(f"{len(drawing.forests[0]):,} nodes, {len(text.encode()) / 1e6:.1f} MB")
    details = _details(spec, drawing)
    return Artefact(kind="report", path=path, digest=identity, made=made, details=details)


def _write(path: Path, content: bytes, *, is_ours: bool) -> bool:
    """Writes the file unless it is there with this content; whether it was written."""
    if path.exists():
        with writing(path):
            if path.is_file() and path.read_bytes() == content:
                return False
            if not is_ours or path.is_dir():
                raise OutputExistsError(path, "something else")
    write_bytes(path, content)
    return True


def _identity(spec: DrawSpec, drawing: Drawing) -> dict[str, Any]:
    """All that the file's bytes follow from."""
    looks = [style(), script(), asset("draw.html"), asset("draw.js")]
    return {
        "kind": "tree-drawing",
        "schema": 1,
        "version": __version__,
        "format": spec.format,
        "shape": spec.shape,
        "weights": spec.weights,
        "title": drawing.title,
        "root": spec.root,
        "inputs": list(drawing.inputs.items()),
        "cuts": [view.name for view in drawing.views],
        "looks": digest(looks),
    }


def _details(spec: DrawSpec, drawing: Drawing) -> dict[str, Any]:
    first = drawing.forests[0]
    return {
        "format": spec.format,
        "shape": spec.shape,
        "weights": first.unit,
        "nodes": len(first),
        "labels": sum(w > 0 for w in first.weights),
        "total": sum(first.weights),
        "cuts": [
            {"name": v.name, "classes": len(v.class_names), "multi_label": v.several}
            for v in drawing.views
        ],
        "inputs": dict(drawing.inputs),
    }


def _drawing(spec: DrawSpec, taxonomy: Taxonomy) -> Drawing:
    maps = _named([LabelMap.read(path) for path in spec.labels])
    policy = _policy([m for _, m in maps])
    skeleton = Skeleton.of(taxonomy, policy, spec.root)
    inputs = {"taxonomy": taxonomy.digest}
    inputs |= {f"cut {name}": label_map.digest for name, label_map in maps}
    weights, list_name = None, ""
    if not maps or any(m.keyed_by == "label" for _, m in maps) or spec.list is not None:
        labels = _labels(spec, maps, taxonomy)
        list_name = labels.name
        inputs["list"] = labels.digest
        nodes_of_labels(taxonomy, labels.ids, labels.name)  # all of them are there
        counts = _counts(spec, labels, inputs)
        weights = {n: w for n, w in counts.items() if w and skeleton.holds(n)}
        if not weights:
            top = taxonomy.roots[0] if spec.root is None else spec.root
            raise NothingBelowError(taxonomy.ids[top], taxonomy.name(top), list_name)
    forests, views = draw_forests(
        maps,
        weights,
        skeleton,
        unit=spec.weights if weights is not None else "images",
        most_glosses=MOST_GLOSSES,
    )
    name = taxonomy.source if spec.root is None else taxonomy.name(spec.root).replace("_", " ")
    return Drawing(
        title=name[:1].upper() + name[1:],
        about=_about(forests[0], list_name, policy),
        forests=forests,
        views=views,
        shape=spec.shape,
        inputs=inputs,
    )


def _named(maps: Sequence[LabelMap]) -> list[tuple[str, LabelMap]]:
    """Each map once, by the name of its cut; maps of one name by their digests too."""
    once = {m.digest: m for m in maps}
    names = Counter(m.name for m in once.values())
    named = []
    for key, label_map in once.items():
        name = label_map.name
        named.append((name if names[name] == 1 else f"{name} ({short(key)})", label_map))
    return named


def _policy(maps: Sequence[LabelMap]) -> Policy:
    """Which parent a node hangs below: what all the cuts followed, if that was one; else first."""
    followed = {m.params.get("policy") for m in maps if m.keyed_by == "label"}
    (only,) = followed if len(followed) == 1 else {"first"}
    return cast(Policy, only) if only in SINGLE_POLICIES else "first"


def _labels(spec: DrawSpec, maps: Sequence[tuple[str, LabelMap]], taxonomy: Taxonomy) -> LabelList:
    """The list that was named, else the labels of the maps, else the taxonomy's own."""
    by_label = [m for _, m in maps if m.keyed_by == "label"]
    if spec.list is not None or not by_label:
        return chosen_labels(spec.list, taxonomy, spec.taxonomy)
    known = dict.fromkeys(label for m in by_label for label in m.labels)
    names = {str(m.params.get("list") or "the label maps") for m in by_label}
    return LabelList(name=" and ".join(sorted(names)), ids=tuple(known))


def _counts(spec: DrawSpec, labels: LabelList, inputs: dict[str, str]) -> Mapping[str, int]:
    """What each label counts for; names the shard set among the inputs where it says so."""
    if spec.weights == "labels":
        return dict.fromkeys(labels.ids, 1)
    if spec.shards is not None:
        from granctl.shards.index import ShardSet

        shards = ShardSet.open(spec.shards)
        inputs["shards"] = shards.digest
        images: Counter[str] = Counter()
        for counts in shards.label_counts.values():
            images.update(dict(zip(shards.labels, counts, strict=True)))
        return {label: images[label] for label in labels.ids}
    if labels.counts is None:
        problem = f"nothing says how many images the labels of {labels.name!r} have"
        hint = "give a shard set with --shards, or with --list a file with a count behind each id"
        raise BadOptionError("--weights images", problem, hint)
    return dict(zip(labels.ids, labels.counts, strict=True))


def _about(forest: Forest, list_name: str, policy: Policy) -> str:
    number, unit = sum(forest.weights), forest.unit
    nodes = f"{number:,} {unit if number != 1 else unit.removesuffix('s')}"
    nodes += f" of list {list_name}" if list_name else ""
    hangs = {"first": "its first", "shortest": "the nearest", "longest": "the farthest"}
    where = f"Widths count {unit}; a node with several parents hangs below {hangs.get(policy)}."
    return f"{nodes} in {len(forest):,} nodes. {where}"
