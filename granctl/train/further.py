"""Further held-out sets that the network of one transfer is scored on: ImageNetV2, ReaL, any other.

Whatever the order in which a set counts its classes, its images are joined to the target's classes
by the ids of their labels.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from granctl.errors import AllTaughtError, BadOptionError, NothingToLearnError
from granctl.progress import Progress
from granctl.shards.index import HELD_OUT_SPLITS, ShardSet
from granctl.shards.source.knownsets import KnownSet, known_as, registered_name
from granctl.shards.source.real import REAL_NAME, real_file
from granctl.train.evaluate import Scores
from granctl.train.images import Images
from granctl.train.labelling import Labelling, label_images
from granctl.train.leaks import Leaked, Leaks, among, guarded
from granctl.train.real import real_labelling
from granctl.train.runs import Run
from granctl.train.targets import Target, shards_named
from granctl.workspace import Workspace

if TYPE_CHECKING:
    from granctl.train.lesson import Answer, Lesson

OPTION = "--score-on"
TRAIN = "train"


@dataclass(frozen=True, kw_only=True, eq=False)
class Further:
    """A held-out set with its images' classes, numbered as those of the target."""

    name: str
    """As `in1k-v2`."""
    asked: str
    """As the option said it."""
    shards: ShardSet
    split: str
    labelling: Labelling
    leaked: Leaked
    trained_on: int = 0
    """Images of the set that are training images of the target, too."""

    @property
    def labels_digest(self) -> str:
        """Which images are scored and what is right for each: the set itself, and what leaked."""
        part = self.labelling
        hasher = hashlib.sha256("\0".join(part.class_ids).encode())
        for array in (part.row, part.key, part.offsets, part.classes):
            hasher.update(len(array).to_bytes(8, "little") + array.astype("<i8").tobytes())
        return hasher.hexdigest()

    def record(self, scores: Scores) -> dict[str, Any]:
        """What the result says of it; `left_out` counts images without a class of the target."""
        return {
            "top1": scores.top1,
            "mean_per_class": scores.mean_per_class,
            "n": scores.n,
            "correct": scores.correct,
            "classes": scores.classes,
            "split": self.split,
            "left_out": self.labelling.dropped,
            "images_not_scored": len(self.labelling) - scores.n,
            "leaked": self.leaked,
            "trained_on": self.trained_on,
            "asked": self.asked,
            "shards_digest": self.shards.digest,
        }


def further_sets(
    workspace: Workspace,
    names: Sequence[str],
    target: Target,
    class_ids: tuple[str, ...],
    run: Run | None,
    leaks: Leaks,
    progress: Progress,
    *,
    taught: bool = True,
) -> tuple[Further, ...]:
    """Opens the sets that `--score-on` names; shards are built where there are none.

    Args:
        workspace: where names are registered.
        names: a data set of `granctl data add`, a folder of classes, a shard set, or real.json.
        target: whose classes they are scored by.
        class_ids: those of the target's training images, in their order.
        run: what was pretrained; None from scratch.
        leaks: what happens to images that it was pretrained on.
        progress: told what is built and what is left out.
        taught: whether the classifier learns from the target's training images.

    Raises:
        AllLeakedError, AllTaughtError: no image of a set would be left.
        BadOptionError: one stands twice, or is scored by a map of single images.
        UnknownDataError: there is no such set.
        LabelsNotInMapError: one of its labels is no class of the target.
        RealLabelsError: the target's validation images are not those of ImageNet-1k.
    """
    found: dict[str, Further] = {}
    for asked in names:
        one = _opened(workspace, asked, target, class_ids, progress)
        if one.name in found:
            raise BadOptionError(OPTION, f"{one.name} stands twice", "name each set once")
        if one.labelling.dropped:
            progress.note(
                f"{one.labelling.dropped} images of {one.name} have no class and are not scored"
            )
        kept = guarded(run, one.shards, one.split, one.labelling, leaks, workspace, progress)
        seen = dataclasses.replace(one, labelling=kept.labelling, leaked=kept.leaked)
        if taught:
            seen = _untaught(seen, target, progress, keep=leaks == "keep")
        found[one.name] = seen
    return tuple(found.values())


def _untaught(one: Further, target: Target, progress: Progress, *, keep: bool) -> Further:
    """The set without images that the target's classifier is taught on; says how many these are.

    All training images of the target count, also where `--per-class` takes some of them: the images
    that are scored are the same for every seed. The target's own held-out images, under its labels
    or others (ReaL), are all scored.

    Raises:
        AllTaughtError: no image would be left.
    """
    if (one.shards.digest, one.split) == (target.shards.digest, target.shards.held_out):
        return one
    images = one.shards.checksums(one.split)[one.labelling.row]
    taught = among(images, target.shards.checksums(TRAIN))
    num = int(taught.sum())
    if not num:
        return one
    done = "scored all the same" if keep else "not scored"
    where = f"{one.shards.name} {one.split}"
    progress.note(
        f"warning: {num} of {len(images)} images of {where} are training images of {target.name}:"
        f" they are {done}"
    )
    if keep:
        return dataclasses.replace(one, trained_on=num)
    if num == len(images):
        raise AllTaughtError(where, num, target.name)
    left = one.labelling.only(np.flatnonzero(~taught))
    return dataclasses.replace(one, labelling=left, trained_on=num)


def also_scored(lesson: Lesson, answer: Answer) -> Mapping[str, Scores]:
    """The scores of a lesson's further sets, by what the method's classifier says of them.

    Raises:
        NothingToLearnError: none of a set's images can be scored by the method.
    """
    found = {}
    for one in lesson.further:
        part = dataclasses.replace(one, labelling=answer.scorable(one.labelling))
        if not len(part.labelling):
            raise NothingToLearnError(one.shards.where, one.split, len(one.labelling))
        found[one.name] = lesson.judged(answer.says(_images(lesson, part)), part.labelling)
    return found


def _images(lesson: Lesson, one: Further) -> Images:
    images = lesson.images(one.split, one.labelling)
    return dataclasses.replace(images, shards=one.shards)


def _opened(
    workspace: Workspace,
    asked: str,
    target: Target,
    class_ids: tuple[str, ...],
    progress: Progress,
) -> Further:
    if target.labels.keyed_by == "image":
        problem = "the target's classes are those of single images, which other images have not"
        raise BadOptionError(OPTION, problem, "leave it out, or take a map of labels")
    name = registered_name(workspace, asked)
    known = known_as(workspace, name) if name in workspace.data_names() else None
    if _is_real(name, known):
        shards, split = target.shards, target.shards.held_out
        path = workspace.data_folder(name) if known else Path(asked)
        facts = known or known_as(workspace, "in1k-real")
        assert facts is not None  # it is embedded
        labels = facts.labels(facts.numbered)
        part = real_labelling(shards, split, real_file(path), labels, target.labels, class_ids)
        title = known.name if known else path.stem
    else:
        shards = shards_named(workspace, name, progress, holdout_frac=0.0)
        split = next((s for s in HELD_OUT_SPLITS if s in shards.splits), shards.splits[0])
        part = label_images(shards, split, target.labels, class_ids)
        title = name if known or name in workspace.data_names() else Path(name).resolve().name
    if not len(part):
        raise NothingToLearnError(shards.where, split, shards.num_images(split))
    return Further(name=title, asked=asked, shards=shards, split=split, labelling=part, leaked=None)


def _is_real(name: str, known: KnownSet | None) -> bool:
    """Whether the set is a file of labels for the target's own images."""
    return (
        known.holds == "real" if known else Path(name).name == REAL_NAME or name.endswith(".json")
    )
