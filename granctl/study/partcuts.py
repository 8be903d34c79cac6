"""Parts of a cut: some of its classes, or a budget of images in equal shares of its classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.shards.build.budget import at_most_in_all
from granctl.shards.index import ShardSet
from granctl.study.cutplan import CutPlan, Fields
from granctl.study.cutspec import CutSpec
from granctl.study.imagecuts import SPLIT, Given, Keys
from granctl.tree.controls import take_rows
from granctl.tree.labelmap import LabelMap
from granctl.tree.parents import Rows


def part_plan(spec: CutSpec) -> CutPlan:
    """The plan of a part of another map, keyed by image: images outside it have no class.

    Of the classes that images have, `spec.classes` are drawn; of their images `spec.images` are
    taken, from each class (an image's first one) equally many as far as these last. Of one seed, a
    smaller number of images is a part of a larger one, and so are the classes. Images of the same
    bytes are one. A part with all classes has the method of its cut; one with fewer is no
    granularity of the hierarchy any more, and has the method `part`.

    Raises:
        BadOptionError: there are not so many classes or images.
        GranctlError: an input is missing or damaged.
    """
    if spec.part_of is None or spec.shards is None:
        raise ValueError("spec.check() does not let them be missing")
    base = Given.read(spec.part_of, "--part-of")
    shards = ShardSet.open(spec.shards)
    method = base.label_map.method
    asked = {"classes": spec.classes, "images": spec.images, "seed": spec.seed, "split": SPLIT}
    part: dict[str, Any] = {**asked, "method": method}
    if "part" in base.label_map.params:
        part["part"] = base.label_map.params["part"]

    def compute(fields: Fields) -> LabelMap:
        keys = Keys.of_images(shards)
        ours = base.label_map
        rows = take_rows(Rows(ours.offsets, ours.classes), base.rows_of(keys))
        rows = _with_images(_with_classes(rows, spec), spec)
        present, classes = np.unique(rows.values, return_inverse=True)
        return LabelMap(
            labels=tuple(keys.ids),
            offsets=rows.offsets,
            classes=classes.astype(np.int32),
            class_ids=tuple(ours.class_ids[i] for i in present),
            class_names=tuple(ours.class_names[i] for i in present),
            **fields,
        )

    return CutPlan(
        method=method if spec.classes is None else "part",
        params={**base.label_map.params, "part": part},
        inputs={"part_of": base.label_map.digest, "shards": shards.digest},
        keyed_by="image",
        compute=compute,
    )


def _with_classes(rows: Rows, spec: CutSpec) -> Rows:
    """The rows without the classes that are not drawn.

    Raises:
        BadOptionError: fewer classes have images.
    """
    if spec.classes is None:
        return rows
    present = np.unique(rows.values)
    if not 1 <= spec.classes <= len(present):
        problem = f"{spec.classes} of the {len(present)} classes that images have"
        hint = f"give a number from 1 to {len(present)}"
        raise BadOptionError("--classes", f"nobody can take {problem}", hint)
    drawn = np.random.default_rng(spec.seed).permutation(present)[: spec.classes]
    kept = np.isin(rows.values, drawn)
    counts = np.bincount(rows.row_of_value[kept], minlength=len(rows.counts))
    return Rows(_offsets(counts), rows.values[kept])


def _with_images(rows: Rows, spec: CutSpec) -> Rows:
    """The rows of the chosen images; the others are left without a class.

    Raises:
        BadOptionError: fewer images have a class.
    """
    if spec.images is None:
        return rows
    has = np.flatnonzero(rows.counts > 0)
    if spec.images > len(has):
        problem = f"{spec.images:,} of the {len(has):,} images that have a class"
        hint = f"give a number from 1 to {len(has)}"
        raise BadOptionError("--images", f"nobody can take {problem}", hint)
    _, first = np.unique(rows.values[rows.offsets[has]], return_inverse=True)
    kept = at_most_in_all(first.astype(np.int32), spec.images, "equal", spec.seed)
    source = np.full(len(rows.counts), -1, np.int64)
    source[has[kept]] = has[kept]
    return take_rows(rows, source)


def _offsets(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
