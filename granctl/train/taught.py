"""The whole network trained on a target: from a run's weights, or from none.

Once; or once for each of several lengths; after its values were chosen among those to try, on a
part of the training images that was held out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from granctl import spec
from granctl.errors import BadOptionError
from granctl.provenance import plain
from granctl.train import models
from granctl.train.holdout import HoldOut, hold_out
from granctl.train.keeping import Keeping
from granctl.train.labelling import Labelling
from granctl.train.lesson import Answer, Lesson
from granctl.train.loop import fit
from granctl.train.metrics import METRICS_NAME, MetricsLog
from granctl.train.objective import Objective, set_head_bias
from granctl.train.plan import Fitted, Plan
from granctl.train.recipe import Augment, Transfer
from granctl.train.runs import CHECKPOINTS
from granctl.train.transferspec import Tries

_CHECKPOINT_EVERY_S = 60.0
"""Most transfers are shorter and write only the last; a longer one loses a minute at most."""


def whole_network(lesson: Lesson, folder: Path, identity: str) -> Answer:
    """Trains and shows the held-out images to what came out.

    Raises:
        NonFiniteLossError: the loss went out of range.
    """
    fields: dict[str, Any] = {}
    if lesson.spec.tries:
        lesson, fields["selection"] = _chosen(lesson, folder, identity)
    lengths = sorted(set(lesson.spec.lengths)) or [lesson.training.steps]
    curve = []
    for steps in lengths:
        last = steps == lengths[-1]
        ours = lesson.with_training(steps=steps)
        place = "" if last else f"steps-{steps}"
        network, fitted = _trained(ours, lesson.train, folder, place, identity)
        shown = lesson.shown(network, lesson.asked_of)
        if lesson.spec.lengths:
            shown = list(shown)
            scores = plain(lesson.judged(shown))
            curve.append({"steps": steps, "images_seen": fitted.images_seen, **scores})
    if curve:
        fields["curve"] = curve
    return Answer(
        batches=shown,
        says=lambda images: lesson.shown(network, images),
        test=lesson.test,
        steps=lengths[-1],
        images_seen=fitted.images_seen,
        train_loss=fitted.train_loss,
        fields=fields,
    )


def candidates(training: Transfer, tries: Tries) -> list[tuple[dict[str, Any], Transfer]]:
    """Every combination of values to try, and the training that each makes.

    Raises:
        SpecError: a key that a training does not have, or a value that it cannot have.
        BadOptionError: a key that is no matter of choice.
    """
    if not tries:
        return []
    for key, _ in tries:
        if key in ("resolution", "steps"):
            hint = "`--lengths` trains for several" if key == "steps" else "choose it by --set"
            raise BadOptionError("--try", f"{key} cannot be tried", hint)
    keys = [key for key, _ in tries]
    found = []
    for values in product(*(values for _, values in tries)):
        changes = dict(zip(keys, values, strict=True))
        table = spec.override(plain(training), changes)
        found.append((changes, spec.parse(type(training), table, "the training with --try")))
    return found


def check_choice(lesson: Lesson) -> None:
    """Checks that there are images to choose values on, where some are to be tried.

    Raises:
        BadOptionError: every class has one image.
    """
    if lesson.spec.tries and not len(_parts(lesson).held):
        problem = "every class of the target has one training image, and none can be held out"
        raise BadOptionError("--try", problem, "give values with --set, or more images a class")


def _parts(lesson: Lesson) -> HoldOut:
    return hold_out(lesson.train, lesson.spec.held_out, lesson.seed, lesson.seen)


def _chosen(lesson: Lesson, folder: Path, identity: str) -> tuple[Lesson, dict[str, Any]]:
    """The lesson with the values that are best on held-out training images; what was tried.

    The best: by top-1, then by the mean per class, then the first that was named.
    """
    parts = _parts(lesson)
    ours, held = lesson.train.only(parts.fit), lesson.train.only(parts.held)
    several, tried = candidates(lesson.training, lesson.spec.tries), []
    for number, (changes, training) in enumerate(several):
        with_values = lesson.with_training(**_fields(training))
        network, _ = _trained(with_values, ours, folder, f"try-{number}", identity)
        scores = lesson.judged(lesson.shown(network, lesson.images("train", held)), held)
        tried.append({**changes, "top1": scores.top1, "mean_per_class": scores.mean_per_class})
        lesson.progress.note(f"{_said(changes)}: {scores.top1:.2%} of {scores.n} held-out images")
    best = max(range(len(tried)), key=lambda i: (tried[i]["top1"], tried[i]["mean_per_class"], -i))
    record = {
        "on": "training images",
        "held_out": parts.record(),
        "tried": tried,
        "chosen": tried[best],
        "why": "best top1",
    }
    return lesson.with_training(**_fields(several[best][1])), record


def _fields(training: Transfer) -> dict[str, Any]:
    return {name: getattr(training, name) for name in Transfer.__dataclass_fields__}


def _said(changes: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in changes.items())


def _trained(
    lesson: Lesson, labelling: Labelling, folder: Path, place: str, identity: str
) -> tuple[Any, Fitted]:
    """A network trained on some images; goes on from its checkpoint where there is one.

    Args:
        lesson: with the training that is meant.
        labelling: training images.
        folder: the result's.
        place: of checkpoints and metrics in it; "": of the training that is scored.
        identity: of the result.
    """
    training, device = lesson.training, lesson.device
    kind = lesson.loss
    network = lesson.body()
    if lesson.spec.method == "finetune":
        models.with_new_head(network, labelling.num_classes)
    set_head_bias(network.head, kind, labelling)
    network.to(device)
    augment = training.augment or Augment()
    images = lesson.images("train", labelling)
    if augment.kind != "resized-crop":
        images.load()
    fitted = fit(
        network,
        images,
        Plan(
            optimizer=training.optimizer,
            schedule=training.schedule,
            steps=training.steps,
            batch_size=training.batch_size,
            clip=training.clip,
            augment=augment,
            seed=lesson.seed,
            head_rate=training.head_rate,
        ),
        Objective(
            labelling=labelling,
            kind=kind,
            smoothing=training.label_smoothing,
            look=lesson.recipe.input,
            augment=augment,
            seed=lesson.seed,
            device=device,
            precision=lesson.recipe.precision,
        ),
        device,
        log=MetricsLog(folder / place / METRICS_NAME),
        keeping=Keeping(
            folder=folder / place / CHECKPOINTS,
            run_digest=identity,
            epoch_s=_CHECKPOINT_EVERY_S,
            every_s=_CHECKPOINT_EVERY_S,
        ),
        progress=lesson.progress,
        label=f"{place}: {lesson.label}" if place else lesson.label,
    )
    return network, fitted


def checkpoints(folder: Path) -> Iterator[Path]:
    """Folders of checkpoints of all trainings of a result."""
    yield from (folder / CHECKPOINTS, *folder.glob(f"*/{CHECKPOINTS}"))
