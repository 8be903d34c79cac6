"""What `tree compare` and `tree align` say of two label maps: a word, tables, a JSON record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl.progress import Progress
from granctl.study.pairs import Pair, PairSpec, Side, open_pair
from granctl.tree.align import Alignment, align
from granctl.tree.compare import Comparison, Split, compare
from granctl.tree.crosstab import Groups, Ints
from granctl.tree.crosstab_file import check_suffix, write_crosstab
from granctl.tree.sourcemap import source_map

MOST_CELLS = 10
"""Cells of the crosstab in the table on stderr and in the JSON record."""

TerminalTable = tuple[str, list[str], list[list[str]]]
"""Title, columns, rows, as `Session.table` takes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a command prints: one word, or one object; and tables for people."""

    word: str
    record: dict[str, Any]
    tables: tuple[TerminalTable, ...]


def compare_maps(spec: PairSpec, crosstab: Path | None, progress: Progress) -> Answer:
    """How map `a` and map `b` nest and agree.

    Args:
        spec: which maps, weighted by what.
        crosstab: where to write all cells (.csv or .parquet); None: nowhere.
        progress: told what is compared and what is left out.

    Raises:
        BadOptionError, OutputExistsError: about `crosstab`; and the errors of `open_pair`.
    """
    if crosstab is not None:
        check_suffix(crosstab)
    pair = open_pair(spec)
    _tell(pair, ("A", "B"), progress)
    found = compare(pair.table)
    about = {**_sides(pair, ("a", "b")), **_basis(pair, ("a", "b"))}
    if crosstab is not None and not write_crosstab(crosstab, _columns(pair, _every(pair)), about):
        progress.note(f"{crosstab} holds this crosstab already: nothing to do")
    largest = _columns(pair, _every(pair)[:MOST_CELLS])
    rows = [dict(zip(largest, row, strict=True)) for row in zip(*largest.values(), strict=True)]
    measures = asdict(found) | {
        "split_a": _split(found.split_a, pair.table.groups_a, pair.a),
        "split_b": _split(found.split_b, pair.table.groups_b, pair.b),
    }
    record = {"kind": "comparison", "schema": 1, **about, **measures, "cells": len(pair.table.a)}
    record |= {"largest": rows, "crosstab": None if crosstab is None else str(crosstab)}
    return Answer(
        word=found.relation,
        record=record,
        tables=(_measures_of_comparison(found, pair), _largest(pair, rows)),
    )


def align_maps(spec: PairSpec, progress: Progress) -> Answer:
    """How well the classes of map `a`, the source, tell those of map `b`, the target, apart.

    Raises:
        the errors of `open_pair`.
    """
    pair = open_pair(spec)
    _tell(pair, ("the cut", "the target"), progress)
    found = align(pair.table)
    fields = asdict(found)
    most = fields.pop("mixed_max_group")
    record = {
        "kind": "alignment",
        "schema": 1,
        **_sides(pair, ("source", "target")),
        **_basis(pair, ("source", "target")),
        **fields,
        "mixed_max_class": _named(most, pair.table.groups_a, pair.a),
        "source_map": source_map(pair.a.labels, pair.b.labels),
    }
    word = f"{found.purity:.6f}"
    return Answer(word=word, record=record, tables=(_measures_of_alignment(found, record),))


# --- the record -----------------------------------------------------------------------------------


def _sides(pair: Pair, roles: tuple[str, str]) -> dict[str, Any]:
    a, b = _side(pair.a, pair.table.groups_a), _side(pair.b, pair.table.groups_b)
    return {roles[0]: a, roles[1]: b}


def _side(side: Side, groups: Groups) -> dict[str, Any]:
    found = side.labels
    return {
        "path": str(side.path),
        "digest": found.digest,
        "method": found.method,
        "params": dict(found.params),
        "keyed_by": found.keyed_by,
        "multi_label": found.multi_label,
        "labels": len(found.labels),
        "classes": found.num_classes,
        "groups": len(groups),
    }


def _basis(pair: Pair, roles: tuple[str, str]) -> dict[str, Any]:
    """What was compared, by what weight, and what was left out."""
    a, b = roles
    table, pairing = pair.table, pair.pairing
    known = None if pair.weights is None else int(pair.weights["images"])
    return {
        "unit": pairing.unit,
        "compared": int(table.num.sum()),
        "weighted_by": pair.weighted_by,
        "weights": pair.weights,
        "weight": pair.weight,
        "left_out": {
            f"only_in_{a}": pairing.only_in_a,
            f"only_in_{b}": pairing.only_in_b,
            f"no_class_in_{a}": table.no_class_a,
            f"no_class_in_{b}": table.no_class_b,
            "no_image": table.weightless,
            f"not_in_shards_{a}": pair.a.not_in_shards,
            f"not_in_shards_{b}": pair.b.not_in_shards,
            "images": None if known is None else known - pair.weight,
        },
    }


def _named(group: int, groups: Groups, side: Side) -> dict[str, str]:
    """Id and name of one group: those of its classes, joined by +."""
    classes = groups.classes[groups.offsets[group] : groups.offsets[group + 1]].tolist()
    words = (side.labels.class_ids, side.labels.class_names)
    ids, names = ("+".join(source[c] for c in classes) for source in words)
    return {"id": ids, "name": names}


def _split(split: Split, groups: Groups, side: Side) -> dict[str, Any]:
    example = None if split.example is None else _named(split.example, groups, side)
    return {"num": split.num, "into": split.into, "example": example}


def _every(pair: Pair) -> Ints:
    """All cells, the heaviest first, equals in the order of the groups."""
    return np.argsort(-pair.table.weight, kind="stable")


def _columns(pair: Pair, cells: Ints) -> dict[str, Sequence[str | int]]:
    table = pair.table
    columns: dict[str, Sequence[str | int]] = {}
    sides = (("a", pair.a, table.a, table.groups_a), ("b", pair.b, table.b, table.groups_b))
    for role, side, group, groups in sides:
        ids, names = groups.joined(side.labels.class_ids), groups.joined(side.labels.class_names)
        columns[role] = [ids[g] for g in group[cells].tolist()]
        columns[f"{role}_name"] = [names[g] for g in group[cells].tolist()]
    return {**columns, "num": table.num[cells].tolist(), "weight": table.weight[cells].tolist()}


# --- for people -----------------------------------------------------------------------------------


def _tell(pair: Pair, names: tuple[str, str], progress: Progress) -> None:
    """Says what is compared, by what weight, and what is left out and why."""
    noun, table, pairing = pair.pairing.unit, pair.table, pair.pairing
    by = f"each {noun} weighs one"
    if pair.weights is not None:
        split = f", split {pair.weights['split']}" if "split" in pair.weights else ""
        by = f"weighted by their {pair.weight:,} images ({pair.weights['path']}{split})"
    progress.note(f"compared: {_many(int(table.num.sum()), noun)}, {by}")
    reasons = [
        (pairing.only_in_a, f"only in {names[0]}"),
        (pairing.only_in_b, f"only in {names[1]}"),
        (table.no_class_a, f"without a class in {names[0]}"),
        (table.no_class_b, f"without a class in {names[1]}"),
        (table.weightless, "without an image"),
        (pair.a.not_in_shards, f"of {names[0]} not in the shard set's split"),
        (pair.b.not_in_shards, f"of {names[1]} not in the shard set's split"),
    ]
    for num, reason in reasons:
        if num:
            progress.note(f"left out: {_many(num, noun)} {reason}")
    if pair.weights is not None and (images := pair.weights["images"] - pair.weight):
        progress.note(f"left out in all: {_many(images, 'image')} of {pair.weights['path']}")


def _many(num: int, noun: str) -> str:
    return f"{num:,} {noun}" if num == 1 else f"{num:,} {noun}s"


_IN_WORDS = {
    "equal": "A and B are equal but for names",
    "a-refines-b": "A refines B",
    "b-refines-a": "B refines A",
    "neither": "neither refines the other",
}


def _measures_of_comparison(found: Comparison, pair: Pair) -> TerminalTable:
    rows = [
        ["class sets of A", f"{found.groups_a:,}"],
        ["class sets of B", f"{found.groups_b:,}"],
        ["pairs of them", f"{len(pair.table.a):,}"],
        ["class sets of A that B tears apart", f"{found.split_a.num:,}"],
        ["class sets of B that A tears apart", f"{found.split_b.num:,}"],
        ["NMI", f"{found.nmi:.4f}"],
        ["homogeneity (1: A refines B)", f"{found.homogeneity:.4f}"],
        ["completeness (1: B refines A)", f"{found.completeness:.4f}"],
        ["V-measure", f"{found.v_measure:.4f}"],
    ]
    return _IN_WORDS[found.relation], ["measure", "value"], rows


def _largest(pair: Pair, cells: Sequence[Mapping[str, Any]]) -> TerminalTable:
    what = pair.weighted_by
    title = f"largest cells by {what} ({len(cells)} of {len(pair.table.a):,})"
    rows = [
        [c["a_name"], c["b_name"], f"{c['weight']:,}", f"{100 * c['weight'] / pair.weight:.2f}"]
        for c in cells
    ]
    return title, ["A", "B", what, "%"], rows


def _measures_of_alignment(found: Alignment, record: Mapping[str, Any]) -> TerminalTable:
    apart = f"{found.groups_target_apart:,} of {found.groups_target:,}"
    rows = [
        ["source classes", f"{found.groups_source:,}"],
        ["target classes that stay apart", apart],
        ["purity = best top-1 from the source class", f"{100 * found.purity:.2f} %"],
        ["best mean per-class accuracy", f"{100 * found.best_mean_per_class:.2f} %"],
        ["H(target | source)", f"{found.h_target_given_source_bits:.4f} bits"],
        ["H(target)", f"{found.h_target_bits:.4f} bits"],
        ["target classes in a source class, mean", f"{found.mixed_mean:.2f}"],
        [f"the most, in {record['mixed_max_class']['name']}", f"{found.mixed_max:,}"],
        ["source classes with one target class", f"{100 * found.pure_frac:.2f} %"],
    ]
    if (cover := record["source_map"]) is not None:
        rows += [
            ["target classes that the cut knows", f"{cover['same']:,} of {cover['classes']:,}"],
            ["covered from above, from below", f"{cover['ancestor']:,}, {cover['descendant']:,}"],
            ["not covered at all", f"{cover['none']:,}"],
        ]
    return "how the cut lies in the target", ["measure", "value"], rows
