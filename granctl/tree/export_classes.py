"""A label map in forms that other trainers read: a lookup table, JSON, CSV, timm's class map."""

from __future__ import annotations

import csv
import io
import json
import pickle

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.tree.labelmap import LabelMap

NO_CLASS = -1
"""Stands for the class of a label that the cut dropped."""


def lookup_table(label_map: LabelMap) -> NDArray[np.int64]:
    """The class of each label: shape (num_labels,), in the label list's order; -1 for none.

    `table[targets]` turns the indices of the list into classes, in numpy and in torch. Of several
    classes it is the first, which is what `.cls` files in shards hold too.

    Example:
        >>> fields = {"class_ids": ("x", "y"), "class_names": ("x", "y"), "method": "depth"}
        >>> label_map = LabelMap.from_single(["a", "b", "c"], np.array([1, -1, 0]), **fields)
        >>> lookup_table(label_map).tolist()
        [1, -1, 0]
    """
    has_class = np.diff(label_map.offsets) > 0
    table = np.full(len(label_map.labels), NO_CLASS, np.int64)
    table[has_class] = label_map.classes[label_map.offsets[:-1][has_class]]
    return table


def npy(table: NDArray[np.int64]) -> bytes:
    """An array as the bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, table, allow_pickle=False)
    return buffer.getvalue()


def classes_json(label_map: LabelMap) -> str:
    """One object, label -> class index; of a multi-label map label -> list of class indices.

    A label without a class has -1, or an empty list.
    """
    if label_map.multi_label:
        bounds, classes = label_map.offsets.tolist(), label_map.classes.tolist()
        slices = zip(label_map.labels, bounds[:-1], bounds[1:], strict=True)
        return json.dumps({label: classes[start:end] for label, start, end in slices}) + "\n"
    table = lookup_table(label_map).tolist()
    return json.dumps(dict(zip(label_map.labels, table, strict=True))) + "\n"


def classes_csv(label_map: LabelMap) -> str:
    """A row a label and class: label, class, class_id, class_name; no class: one row, empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", "class", "class_id", "class_name"])
    bounds, classes = label_map.offsets.tolist(), label_map.classes.tolist()
    for label, start, end in zip(label_map.labels, bounds[:-1], bounds[1:], strict=True):
        for c in classes[start:end]:
            writer.writerow([label, c, label_map.class_ids[c], label_map.class_names[c]])
        if start == end:
            writer.writerow([label, "", "", ""])
    return text.getvalue()


def timm_class_map(label_map: LabelMap, suffix: str) -> bytes:
    """What timm's `--class-map` takes: a pickled dict of label -> class, or a text.

    The text has one label a line and the line's number is its class, so it can only say that each
    label is a class of its own; a coarser cut needs the pickle. Labels without a class are left
    out. Source: timm/data/readers/class_map.py, which chooses by the file's suffix.

    Raises:
        BadOptionError: the suffix is another, or the text cannot say what the map says.
    """
    table = lookup_table(label_map)
    has_class = np.flatnonzero(table != NO_CLASS)
    if suffix == ".pkl":
        class_of = {label_map.labels[i]: int(table[i]) for i in has_class.tolist()}
        return pickle.dumps(class_of, protocol=4)
    if suffix != ".txt":
        problem = f"timm reads a class map by its suffix, and {suffix or 'no suffix'} is unknown"
        raise BadOptionError("--out", problem, "name a file that ends in .pkl or .txt")
    if label_map.multi_label or sorted(table[has_class]) != list(range(label_map.num_classes)):
        problem = "timm's text form can only give each label a class of its own"
        raise BadOptionError("--out", problem, "name a file that ends in .pkl")
    in_order = has_class[np.argsort(table[has_class])].tolist()
    return "".join(f"{label_map.labels[i]}\n" for i in in_order).encode()
