"""Faults of recipes, runs and checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import RunError, UserError, did_you_mean, listing, near


class UnknownRecipeError(UserError):
    """A recipe that does not come with granctl, and no such file."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no recipe is named {name!r}, and there is no such file",
            did_you_mean(near(name, known), f"known: {', '.join(known)}; or a TOML file"),
        )


class UnknownModelError(UserError):
    """A model that timm does not have."""

    def __init__(self, name: str, like: Sequence[str]) -> None:
        super().__init__(
            f"timm has no model of the name in model.name = {name!r}",
            did_you_mean(like, 'names: python -c "import timm; print(timm.list_models())"'),
        )


class NoLayersError(UserError):
    """Something that goes by a network's layers, and a network whose layers granctl cannot tell."""

    def __init__(self, option: str, model: str) -> None:
        super().__init__(
            f"{option}: the layers of {model} cannot be told apart",
            f"leave {option} out, or take a ViT or a ResNet",
        )


class CannotShardError(UserError):
    """A training that cannot be split over processes as it was asked."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"--fsdp: {problem}", hint)


class NoCompilerError(UserError):
    """Compiling was asked for where nothing compiles."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"--compile: {reason}", "install it, or leave --compile out: the same is computed"
        )


class MemoryTooSmallError(RunError):
    """A step that needs more memory than the machine has, known before the first one."""

    def __init__(self, images: int, needs: str, has: str, accumulate: int | None) -> None:
        mend = "take a smaller model, or spread its weights: --fsdp in several processes"
        if accumulate is not None:
            mend = (
                f"add up gradients, which gives the same step: --set accumulate={accumulate}; or"
                " keep less with --recompute; or fewer images a step with a lower rate:"
                " --set batch_size=... --set optimizer.lr=..."
            )
        super().__init__(
            f"a step of {images} images at once needs at least {needs} of memory, and there are"
            f" {has}",
            mend,
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


class SeveralClassesError(UserError):
    """A label map that gives an image several classes, for a loss that takes one."""

    def __init__(self, loss: str, given: str, keyed_by: str, keys: Sequence[str]) -> None:
        several = f"{len(keys)} {keyed_by}{'s' if len(keys) > 1 else ''}"
        super().__init__(
            f"loss {loss} takes one class an image in each map; {given} gives {several} several:"
            f" {listing(keys)}",
            "cut with a policy of one parent: `granctl tree cut --policy first`",
        )


class NotNestedError(UserError):
    """Fine classes that do not lie each in one coarse class."""

    def __init__(self, fine: str, coarse: str, faults: Sequence[str]) -> None:
        super().__init__(
            f"by the images, the classes of --fine {fine} do not lie each in one of --labels"
            f" {coarse}: {listing(faults)}",
            "take cuts that nest, the finer one as --fine: two depths under one policy, or clusters"
            " made with --within",
        )


class DoesNotNestError(UserError):
    """A head whose classes do not lie each in one class of the target."""

    def __init__(self, source: str, target: str, split: Sequence[str], unknown: int) -> None:
        parts = []
        if split:
            parts.append(f"{len(split)} lie in several of its classes ({listing(split)})")
        if unknown:
            parts.append(f"of {unknown} the target knows no label")
        said = f": {'; '.join(parts)}" if parts else ""
        super().__init__(
            f"the classes of the run's labels {source} answer for {target}{said}",
            "take a target whose classes are coarser than the run's, or another method",
        )


class RunLabelsGoneError(UserError):
    """A run whose label map is needed and is not in the workspace."""

    def __init__(self, run: Path, digest: str, given: Path | None) -> None:
        wanted = f"the label map {digest[:12]} that run {run} was pretrained on"
        if given is None:
            super().__init__(f"{wanted} is not in the workspace", "name its file with --run-labels")
        else:
            super().__init__(f"{given} is not {wanted}", "leave --run-labels out, or name that map")


class TooFewImagesError(UserError):
    """Fewer images of a class, or in all, than were asked for."""

    def __init__(self, option: str, asked: int, problem: str, most: int) -> None:
        super().__init__(f"{option} {asked}: {problem}", f"take {option} {most} or fewer")


class AllLeakedError(UserError):
    """Every image that was to be measured on was pretrained on."""

    def __init__(self, where: str, num: int) -> None:
        super().__init__(
            f"all {num} images of {where} were pretrained on: none is left to be scored",
            "take another target, or a run of other images; --leaks keep scores them all the same",
        )


class AllTaughtError(UserError):
    """Every image of a further set is a training image of the target."""

    def __init__(self, where: str, num: int, target: str) -> None:
        super().__init__(
            f"all {num} images of {where} are training images of {target}: none is left to score",
            "take another set; --leaks keep scores them all the same",
        )


class NoDeviceError(UserError):
    """A device that this machine, or this torch, does not have."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(
            f"--device {device}: {reason}",
            "leave --device out to take what there is, or say --device cpu",
        )


class HalfWorldError(UserError):
    """An environment that speaks of several processes, and not of all that they need."""

    def __init__(self, given: Sequence[str], missing: Sequence[str]) -> None:
        lacks = f" without {', '.join(missing)}" if missing else ", which cannot be"
        super().__init__(
            f"the environment has {', '.join(given)}{lacks}",
            "start with torchrun or srun, which set all of it, or with --processes; or unset it",
        )


class WorldFailedError(RunError):
    """Processes that are to train together and did not find each other."""

    def __init__(self, rank: int, size: int, address: str, port: int, reason: Exception) -> None:
        said = str(reason).strip().splitlines()[0] if str(reason).strip() else repr(reason)
        super().__init__(
            f"process {rank} of {size} found no way to the others at {address}:{port}: {said}",
            "see whether the port is in use and the others run; another port: MASTER_PORT",
        )


class DeviceFullError(RunError):
    """A step that does not fit into the device's memory."""

    def __init__(self, images: int, pieces: int) -> None:
        parts = "" if pieces == 1 else f" in {pieces} parts"
        super().__init__(
            f"a step of {images} images a process{parts} does not fit into the device's memory",
            f"add up gradients: --set accumulate={2 * pieces} takes half of the images at once and"
            f" gives the same step; or keep less with --recompute; or --set"
            f" batch_size={max(images // 2, 1)} with a lower rate",
        )


class CopyFailedError(RunError):
    """A copy of a run, made to be checked, that did not end as it was meant to."""

    def __init__(self, folder: Path, code: int, kill_at: int) -> None:
        wanted = f"was to be killed at step {kill_at}" if kill_at else "was to end well"
        super().__init__(
            f"the copy {folder.name} of the run {wanted}, and ended with code {code}",
            "its own words stand above; `granctl pretrain` with the same recipe shows the same",
        )


class NotResumedError(RunError):
    """A run that does not go on as if nothing had been."""

    def __init__(self, steps: Sequence[int], largest: float, computed: str) -> None:
        super().__init__(
            f"copies killed at step {', '.join(map(str, steps))} ended with other weights or"
            f" metrics (by at most {largest:.3g}; computed on {computed})",
            "on a GPU set CUBLAS_WORKSPACE_CONFIG=:4096:8, or allow it with --tolerance; on one"
            " CPU thread it is a bug: please report it",
        )


class PeerLostError(RunError):
    """One of the processes that train together is gone."""

    def __init__(self, step: int, reason: Exception) -> None:
        said = str(reason).strip().splitlines()[0] if str(reason).strip() else repr(reason)
        super().__init__(
            f"the training lost another process after step {step}: {said}",
            "see what the other process says; the same command goes on from the last checkpoint",
        )


class ProcessesFailedError(RunError):
    """Processes of one machine that train together, of which one failed alone."""

    def __init__(self, rank: int, size: int, code: int, said: str) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        super().__init__(
            f"process {rank} of {size} {how}{': ' if said else ''}{said}",
            "run the same command again: it goes on from the last checkpoint",
        )


class StoppedError(RunError):
    """A training that was told to stop, and saved before it did."""

    def __init__(self, signal: int, step: int, steps: int) -> None:
        super().__init__(
            f"stopped by signal {int(signal)} after step {step} of {steps}; all is saved",
            "run the same command again: it goes on from there",
        )
        self.exit_code = 128 + int(signal)  # type: ignore[misc]  # as a shell says it


class NoProgressError(RunError):
    """A job that is started again and again and never gets further."""

    def __init__(self, step: int, starts: int, path: Path) -> None:
        super().__init__(
            f"the last {starts} starts of {path} all began at step {step}: something ends the run"
            " before it can save",
            "see the job's log for what ends it; give it more --time; the same command tries again",
        )


class TakenOverError(RunError):
    """A run that another process has taken up while this one trained on it."""

    def __init__(self, path: Path, other: str) -> None:
        super().__init__(
            f"run {path} is made by {other} now, which began after this process",
            "nothing to do if Slurm took this node for lost; else see who runs the command twice",
        )


class NonFiniteLossError(RunError):
    """Loss or gradients became infinite or no numbers; nothing of these steps was saved."""

    def __init__(self, skipped: int, last_step: int) -> None:
        super().__init__(
            f"the gradients are not finite in three steps in a row ({skipped} were skipped by step"
            f" {last_step}); no checkpoint was written since",
            "lower the rate with `--set optimizer.lr=...` (finetune.optimizer.lr for a transfer),"
            " or clip gradients with `--set clip=1`",
        )


class UnknownRunError(UserError):
    """No run, or several, that go by what was given."""

    def __init__(self, given: str, found: Sequence[str], known: Sequence[str]) -> None:
        if found:
            message = f"{len(found)} runs begin with {given!r}: {listing(found)}"
            super().__init__(message, "give more of the digest, or the folder")
        else:
            otherwise = "`granctl runs list` shows them; or give the folder of a run"
            super().__init__(
                f"no run of the workspace is {given!r}, and there is no such folder",
                did_you_mean(near(given, known), otherwise),
            )


class NotRunningError(UserError):
    """A run that is to be stopped and that nobody makes, or nobody whom this machine can tell."""

    def __init__(self, path: Path, state: str, where: str | None) -> None:
        if where is None:
            message = f"run {path} is {state}: no process or job makes it"
            super().__init__(message, "`granctl runs list` says which ones are running")
        else:
            message = f"run {path} is made by {where}, which cannot be told from here"
            super().__init__(message, "run the same command there")


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
