"""The run's own head, its probabilities summed into the target's classes; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import NothingToLearnError
from granctl.provenance import digest
from granctl.train.evaluate import Batches
from granctl.train.grouping import Grouping, group
from granctl.train.images import Images
from granctl.train.labelling import Labelling
from granctl.train.lesson import Answer, Lesson
from granctl.train.measures import logits_of_shares


def grouping_of(lesson: Lesson) -> Grouping:
    """Which class of the target each class of the run's head belongs to.

    Raises:
        DoesNotNestError: the head's classes do not lie in classes of the target.
    """
    head = lesson.head
    assert head is not None  # looked up for this method
    labels, classes = lesson.spec.target.labels, lesson.test.class_ids
    return group(head.labels, head.class_ids, labels, classes, lesson.shards, lesson.held_out)


def grouped(lesson: Lesson, _folder: Path, _identity: str) -> Answer:
    """Sums the head's probabilities; images whose class no source class belongs to are left out.

    Raises:
        NothingToLearnError: all would be left out.
    """
    head = lesson.head
    assert head is not None  # looked up for this method
    grouping = grouping_of(lesson)

    def scorable(labelling: Labelling) -> Labelling:
        hot = labelling.multi_hot(np.arange(len(labelling)))
        return labelling.only(np.flatnonzero(hot[:, grouping.reached].any(1)))

    test = scorable(lesson.test)
    if not len(test):
        raise NothingToLearnError(lesson.shards.where, lesson.held_out, len(lesson.test))
    network = lesson.body().to(lesson.device)

    def summed(shares: NDArray[np.float64]) -> NDArray[np.float32]:
        return logits_of_shares(shares @ grouping.belongs, sigmoid=lesson.several)

    def says(images: Images) -> Batches:
        for outputs, which in lesson.shown(network, images):
            yield summed(head.probabilities(outputs)), which

    logits = np.empty((len(test), lesson.test.num_classes), dtype=np.float32)
    lost, astray = 0.0, 0
    for outputs, which in lesson.shown(network, lesson.images(lesson.held_out, test)):
        shares = head.probabilities(outputs)
        logits[which] = summed(shares)
        lost += float((shares[:, ~grouping.used].sum(1) / shares.sum(1)).sum())
        astray += int((~grouping.used)[shares.argmax(1)].sum())
    record = {
        **grouping.record(),
        "reached_digest": digest(
            [lesson.test.class_ids[i] for i in np.flatnonzero(grouping.reached)]
        ),
        "images_not_scored": len(lesson.test) - len(test),
        "probability_left_out": lost / len(test),
        "images_led_out": astray,
    }
    _tell(lesson, grouping, record)
    return Answer(
        batches=[(logits, np.arange(len(test)))],
        says=says,
        test=test,
        scorable=scorable,
        fields={"grouping": record},
    )


def _tell(lesson: Lesson, grouping: Grouping, record: Mapping[str, Any]) -> None:
    def named(ids: Sequence[str]) -> str:
        return f" ({', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''})" if ids else ""

    if grouping.split or grouping.unknown:
        lesson.progress.note(
            f"source classes left out: {len(grouping.split)} in several target"
            f" classes{named(grouping.split)}, {len(grouping.unknown)} that the target does not"
            f" know, with {record['probability_left_out']:.1%} of the probability; the first answer"
            f" lies in them for {record['images_led_out']} images"
        )
    if record["images_not_scored"]:
        missing = record["target_classes"] - record["target_classes_reached"]
        lesson.progress.note(
            f"{record['images_not_scored']} images are not scored: no source class lies in their"
            f" classes ({missing} of {record['target_classes']} target classes)"
        )
