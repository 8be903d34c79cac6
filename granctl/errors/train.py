"""Faults of recipes, runs and checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import RunError, UserError, did_you_mean, near


class UnknownRecipeError(UserError):
    """A recipe that does not come with granctl, and no such file."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no recipe is named {name!r}, and there is no such file",
            did_you_mean(near(name, known), f"known: {', '.join(known)}; or a TOML file"),
        )


class OtherImagesError(UserError):
    """A label map keyed by images, over images that it does not know."""

    def __init__(self, shards: Path | str, split: str, unknown: int, num: int) -> None:
        super().__init__(
            f"{unknown} of {num} images (split {split}) of shard set {shards} are not in the"
            " label map, which is keyed by the images of another shard set or split",
            "cluster these images: `granctl tree cut --cluster kmeans --shards` with this set",
        )


class NothingToLearnError(UserError):
    """No image of a split has a class under the label map."""

    def __init__(self, shards: Path | str, split: str, num: int) -> None:
        super().__init__(
            f"none of the {num} images (split {split}) of {shards} has a class in the label map",
            "cut at a depth or level that keeps their labels",
        )


class TooFewImagesError(UserError):
    """Fewer images of a class, or in all, than were asked for."""

    def __init__(self, option: str, asked: int, problem: str, most: int) -> None:
        super().__init__(f"{option} {asked}: {problem}", f"take {option} {most} or fewer")


class NoDeviceError(UserError):
    """A device that this machine, or this torch, does not have."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(
            f"--device {device}: {reason}",
            "leave --device out to take what there is, or say --device cpu",
        )


class NonFiniteLossError(RunError):
    """The loss became infinite or no number; nothing of these steps was saved."""

    def __init__(self, first_step: int, last_step: int) -> None:
        super().__init__(
            f"the loss is not finite at step {first_step} (seen by step {last_step});"
            " no checkpoint was written since",
            "lower the rate with `--set optimizer.lr=...` (finetune.optimizer.lr for a transfer),"
            " or clip gradients with `--set clip=1`",
        )


class UnfinishedRunError(RunError):
    """A run that was stopped before its end."""

    def __init__(self, path: Path, command: str) -> None:
        super().__init__(
            f"run {path} is not finished: it has no manifest.json",
            f"go on with it by its command: `{command}`",
        )


class CheckpointMismatchError(RunError):
    """A checkpoint that belongs to another run."""

    def __init__(self, path: Path, then: str, now: str) -> None:
        super().__init__(
            f"checkpoint {path} is of another spec (digest {then}, this run's is {now})",
            "remove that folder, or run its own command in its own place",
        )


class NoCheckpointError(RunError):
    """A run without any checkpoint that is whole."""

    def __init__(self, path: Path, faults: Sequence[str]) -> None:
        found = f": {'; '.join(faults)}" if faults else ""
        super().__init__(
            f"run {path} has no whole checkpoint{found}",
            "remove the run's folder and pretrain it again by its command in spec.json",
        )
