"""Which target class each class of a run's head belongs to, by what both label maps say.

A source class belongs to a target class when each of its labels that the target knows has that
class. A label that the target does not know is one of it where the hierarchy puts the label at or
below the node of a target class: so a head of 21,843 classes answers for 1,000.
Shapes: S source classes, K target classes, items are labels or images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import DoesNotNestError
from granctl.shards.index import ShardSet
from granctl.train.labelling import keys_of
from granctl.tree.labelmap import LabelMap
from granctl.tree.store import embedded_wordnet

_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouping:
    """Source classes under target classes."""

    belongs: NDArray[np.bool_]
    """Shape (S, K)."""
    split: tuple[str, ...]
    """Ids of source classes whose labels lie in several target classes."""
    unknown: tuple[str, ...]
    """Ids of source classes of which the target knows no label."""
    by_hierarchy: int
    """Labels of the source that the target knows by the hierarchy alone."""

    @property
    def used(self) -> NDArray[np.bool_]:
        """Shape (S,): source classes that belong to a target class."""
        return np.asarray(self.belongs.any(axis=1))

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Shape (K,): target classes to which a source class belongs."""
        return np.asarray(self.belongs.any(axis=0))

    def record(self) -> dict[str, Any]:
        """As it stands in a result."""
        return {
            "source_classes": len(self.belongs),
            "source_classes_used": int(self.used.sum()),
            "source_classes_split": len(self.split),
            "source_classes_unknown": len(self.unknown),
            "split": list(self.split[:_MOST_NAMED]),
            "target_classes": self.belongs.shape[1],
            "target_classes_reached": int(self.reached.sum()),
            "labels_by_hierarchy": self.by_hierarchy,
        }


def group(
    source: LabelMap,
    outputs: Sequence[str],
    target: LabelMap,
    target_classes: Sequence[str],
    shards: ShardSet,
    split: str,
) -> Grouping:
    """Finds the target class of each source class.

    Args:
        source: the map that the run was pretrained on.
        outputs: ids of the S classes that the head has outputs for.
        target: the map of the target.
        target_classes: ids of its K classes that can be answered.
        shards: the target's images: where a map is keyed by images, both are asked of these.
        split: of the images.

    Raises:
        DoesNotNestError: source classes belong to no target class, or all to one of several.
        OtherImagesError: a map is keyed by the images of another shard set.
    """
    number_of_output = {name: i for i, name in enumerate(outputs)}
    number_of_target = {name: i for i, name in enumerate(target_classes)}
    wanted = [number_of_target.get(name, -1) for name in target.class_ids]
    by_hierarchy = 0
    if source.keyed_by == target.keyed_by == "label":
        known = _known(source, target, wanted)
        by_hierarchy = sum(label not in target.index_of for label in known)
        pairs = [(source.index_of[label], classes) for label, classes in known.items()]
    else:
        rows = np.unique(
            np.stack([keys_of(shards, split, one) for one in (source, target)]), axis=1
        )
        pairs = [(int(ours), _of_row(target, int(theirs), wanted)) for ours, theirs in rows.T]
    shared: dict[int, set[int]] = {}
    for row, classes in pairs:
        if not classes:
            continue
        for place in source.classes[source.offsets[row] : source.offsets[row + 1]]:
            output = number_of_output.get(source.class_ids[place])
            if output is not None:
                shared[output] = shared.get(output, classes) & classes
    belongs = np.zeros((len(outputs), len(target_classes)), dtype=bool)
    for output, classes in shared.items():
        belongs[output, list(classes)] = True
    found = Grouping(
        belongs=belongs,
        split=tuple(outputs[i] for i in sorted(shared) if not shared[i]),
        unknown=tuple(name for i, name in enumerate(outputs) if i not in shared),
        by_hierarchy=by_hierarchy,
    )
    reached = int(found.reached.sum())
    if reached < min(2, len(target_classes)):  # of one class every answer would be right
        of_target = f"{reached} of the {len(target_classes)} classes of the target's {target.name}"
        raise DoesNotNestError(source.name, of_target, found.split, len(found.unknown))
    return found


def _of_row(labels: LabelMap, row: int, wanted: Sequence[int]) -> set[int]:
    """Numbers of the wanted classes that a row of the target's map has."""
    classes = labels.classes[labels.offsets[row] : labels.offsets[row + 1]]
    return {wanted[place] for place in classes if wanted[place] >= 0}


def _known(source: LabelMap, target: LabelMap, wanted: Sequence[int]) -> dict[str, set[int]]:
    """Wanted classes of each label of the source that the target knows, itself or by its place."""
    taxonomy = embedded_wordnet()
    node_of = taxonomy.index_of
    classes_of_node: dict[int, set[int]] = {}
    for name, number in zip(target.class_ids, wanted, strict=True):
        if number >= 0 and name in node_of:
            classes_of_node.setdefault(node_of[name], set()).add(number)
    found: dict[str, set[int]] = {}
    for label in source.labels:
        row = target.index_of.get(label)
        if row is not None:
            found[label] = _of_row(target, row, wanted)
        elif label in node_of and classes_of_node:
            above = _at_or_above(taxonomy, node_of[label], classes_of_node)
            if above:
                found[label] = above
    return found


def _at_or_above(taxonomy: Any, node: int, classes_of_node: dict[int, set[int]]) -> set[int]:
    """Classes of the nearest nodes on each way up from a node, itself included."""
    found: set[int] = set()
    waiting, seen = [node], {node}
    while waiting:
        one = waiting.pop()
        if one in classes_of_node:
            found |= classes_of_node[one]
            continue
        for parent in taxonomy.parents_of(one).tolist():
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return found
