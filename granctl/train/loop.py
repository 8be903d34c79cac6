"""The training loop: steps, metrics, checkpoints, resume after any step, stops that save first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from granctl.errors import (
    DeviceFullError,
    NonFiniteLossError,
    OutputNotWritableError,
    PeerLostError,
    StoppedError,
)
from granctl.progress import Progress
from granctl.train import checkpoint, sharding
from granctl.train.averaging import Average
from granctl.train.batches import Share, check_share, num_batches, pieces_from
from granctl.train.device import Machine
from granctl.train.images import Batch
from granctl.train.keeping import Keeper, Keeping
from granctl.train.metrics import MetricsLog
from granctl.train.plan import Fitted, LossOf, Plan, Shuffled
from granctl.train.schedule import factor
from granctl.train.starts import begin_here
from granctl.train.stepping import Stepper
from granctl.train.stopping import HEARD, Stop, listening
from granctl.train.watching import Watch
from granctl.train.world import ALONE, World
from granctl.train.wrapping import Wrapped

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LOG_EVERY = 20
"""Steps between two lines of metrics; on CUDA losses and gradients are looked at only then."""
_SEEDS = 1 << 63


_after_step: list[Callable[[int], None]] = []


@contextmanager
def after_step(told: Callable[[int], None]) -> Iterator[None]:
    """While it lasts, `told` is called with the number of each step that was taken, before saving.

    It is how `granctl resume-check` kills a run where it wants to.
    """
    _after_step.append(told)
    try:
        yield
    finally:
        _after_step.remove(told)


@dataclass
class _Window:
    """What is known since the last line of metrics; losses stay on the device till then."""

    losses: list[Tensor] = field(default_factory=list)
    """One a step: this process's share of the mean over all images of the step."""
    images: int = 0
    waiting_s: float = 0.0
    began: float = field(default_factory=time.perf_counter)


def fit(
    network: Any,
    data: Shuffled,
    plan: Plan,
    loss_of: LossOf,
    device: torch.device,
    *,
    log: MetricsLog,
    keeping: Keeping,
    progress: Progress,
    label: str,
    world: World = ALONE,
    watch: Watch | None = None,
    machine: Machine | None = None,
) -> Fitted:
    """Trains a network in place, from its newest checkpoint if it has one.

    With a moving average the network has that in the end.

    Every process calls it with the same network and data. Told to stop by a signal, it ends the
    step, saves, and raises.

    Args:
        network: an `nn.Module` on the device.
        data: the training images, or features of them.
        plan: optimizer, schedule, number of steps and so on.
        loss_of: what is minimised.
        device: where the network is.
        log: gets a line every 20 steps and at the end of each epoch.
        keeping: where checkpoints go.
        progress: told in images.
        label: what it is called there.
        world: the processes that train together.
        watch: gives further fields of the lines.
        machine: whether to compile, to recompute, to shard.

    Raises:
        NonFiniteLossError: the loss is infinite or no number; nothing after it was saved.
        CheckpointMismatchError: the folder holds checkpoints of another run.
        BadOptionError: the processes cannot share a step evenly.
        StoppedError: by a signal; all is saved.
        DeviceFullError: a step does not fit into the device's memory.
        OutputNotWritableError: the last checkpoint could not be written.
        NoProgressError: Slurm starts it again and again at the same step.
        TakenOverError: another process has begun to make the same run.
    """
    import torch

    check_share(len(data), plan.batch_size, Share(size=world.size, parts=plan.accumulate))
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        listening(together=world.size > 1) as stop,
    ):
        wrapped = Wrapped(network, machine or Machine(), world, device)
        fitting = _Fitting(wrapped, data, plan, loss_of, device, log, keeping, progress, world)
        fitting.watch = watch
        fitting.resume()
        fitting.note_start()
        total = plan.steps * len(data) // num_batches(len(data), plan.batch_size)
        progress.start(label, total, "images")
        progress.advance(fitting.images_seen)
        fitting.run(stop)
        progress.finish()
    if fitting.average is not None:
        fitting.average.take_over()
    wrapped.give_back()
    return Fitted(
        train_loss=fitting.train_loss,
        images_seen=fitting.images_seen,
        epochs=fitting.images_seen / len(data),
        skipped=fitting.skipped,
    )


class _Fitting:
    """The state of a training between its steps."""

    def __init__(
        self,
        wrapped: Wrapped,
        data: Shuffled,
        plan: Plan,
        loss_of: LossOf,
        device: torch.device,
        log: MetricsLog,
        keeping: Keeping,
        progress: Progress,
        world: World,
    ) -> None:
        self._wrapped, self._data, self._plan = wrapped, data, plan
        network = self._network = wrapped.network
        self._loss_of, self._device = loss_of, device
        self._log, self._progress, self._world = log, progress, world
        self._keeping, self._keeper = keeping, Keeper(keeping, progress)
        self._stepper = Stepper(network, plan.optimizer, head_rate=plan.head_rate, clip=plan.clip)
        self.average = Average(network, plan.ema) if plan.ema is not None else None
        self._of_epoch = num_batches(len(data), plan.batch_size)
        self._window = _Window()
        self._sums = [0.0, 0]
        """Of the losses of this epoch so far, and how many they are."""
        self.step = self.images_seen = self.skipped = 0
        self.train_loss = math.nan
        self.watch: Watch | None = None

    # --- going on ---------------------------------------------------------------------------

    def resume(self) -> None:
        """Takes up the newest checkpoint that is whole, the same one in every process."""
        folder, digest = self._keeping.folder, self._keeping.run_digest
        found = None
        if self._world.is_first:
            found, _ = checkpoint.newest(folder, digest, self._progress)
        step = self._world.said_by_first(found.step if found else None)
        if step is not None and found is None:
            found = checkpoint.at_step(folder, digest, step)
        if found is not None:
            self._load(found)
        if self._world.is_first:
            self._log.cut_back(self.step)

    def note_start(self) -> None:
        """Notes from where this process begins, and refuses where that leads nowhere."""
        starts, world = self._keeping.starts, self._world
        if starts is not None:
            sizes = {"steps": self._plan.steps, "images": len(self._data), "processes": world.size}
            world.done_by_first(lambda: begin_here(starts, step=self.step, **sizes))

    def _load(self, found: checkpoint.Checkpoint) -> None:
        import torch

        state, device = found.state, self._device
        self._wrapped.load(state["network"])
        self._stepper.load_state_dict(state["stepper"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.step, self.images_seen = found.step, state["images_seen"]
        self.train_loss, self._sums = state["train_loss"], list(state["sums"])
        self.skipped = state["skipped"]
        if self._world.is_first:  # of the window's losses it holds the sum over all processes
            self._window.losses = [one.to(device) for one in state["window"].unbind()]
        else:
            self._window.losses = [torch.zeros((), device=device) for _ in state["window"]]
        self._progress.note(f"going on after epoch {found.epoch}, step {self.step}")

    def _save(self) -> None:
        import torch

        window = torch.stack(self._window.losses) if self._window.losses else torch.zeros(0)
        window = self._world.total(window.float())
        parts = {"network": self._network, "stepper": self._stepper, "average": self.average}
        states = {name: part.state_dict() for name, part in parts.items() if part is not None}
        trained = sharding.whole_on_cpu(states)  # of what is sharded every process has a part
        if not self._world.is_first:
            return
        state = {
            **trained,
            "images_seen": self.images_seen,
            "train_loss": self.train_loss,
            "sums": self._sums,
            "skipped": self.skipped,
            "window": window,
        }
        self._keeper.save(state, step=self.step, epoch=self.step // self._of_epoch)

    # --- steps ------------------------------------------------------------------------------

    def run(self, stop: Stop) -> None:
        """Takes the steps that are left."""
        import torch

        plan, world = self._plan, self._world
        share = Share(rank=world.rank, size=world.size, parts=plan.accumulate)
        pieces = pieces_from(
            len(self._data), plan.batch_size, share, step=self.step, steps=plan.steps
        )
        batches = self._data.training(pieces, plan.augment, plan.seed)
        self._network.train()
        try:
            while self.step < plan.steps:
                self._one(batches)
                for told in _after_step:
                    told(self.step)
                self._end_step(stop)
        except torch.OutOfMemoryError as error:
            images = -(-plan.batch_size // world.size)
            raise DeviceFullError(images, plan.accumulate) from error
        except RuntimeError as error:
            if not world.is_lost(error):
                raise
            raise PeerLostError(self.step, error) from error
        finally:
            if world.is_first:
                self._keeper.wait()
        if world.is_first:
            self._keeper.check_last()

    def _one(self, batches: Iterator[Batch]) -> None:
        """One step; its gradients come in parts."""
        import torch

        plan, window = self._plan, self._window
        # Dropout draws from torch's own numbers: seeded by the step, they need not be saved.
        seed = ((plan.seed << 24) + self.step) * self._world.size + self._world.rank
        torch.manual_seed(seed % _SEEDS)
        self._stepper.begin()
        losses: list[Tensor] = []
        ends = False
        while not ends:
            asked = time.perf_counter()
            batch = next(batches)
            window.waiting_s += time.perf_counter() - asked
            ends = batch.piece.ends_step
            with self._wrapped.adding_up(ends=ends):
                losses.append(self._backward(batch))
        lr = plan.optimizer.lr * factor(plan.schedule, self.step, plan.steps)
        norm = self._stepper.step(lr)
        self.step += 1
        if self.average is not None:
            self.average.update(self.step)
        self.images_seen += batch.piece.step_images
        window.images += batch.piece.step_images
        window.losses.append(losses[0] if len(losses) == 1 else torch.stack(losses).sum())
        self._progress.advance(batch.piece.step_images)
        if self._ends_epoch or self.step % LOG_EVERY == 0:
            self._write_line(lr, norm)

    def _backward(self, batch: Batch) -> Tensor:
        """Adds up gradients; returns this part's share of the step's loss."""
        loss = self._loss_of(self._wrapped.called, batch)
        weight = len(batch.piece) / batch.piece.step_images
        if weight != 1.0:
            loss = loss * weight
        # Gradients of several processes are averaged; what is wanted is their sum.
        whole = loss * self._world.size if self._world.size > 1 else loss
        whole.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    @property
    def _ends_epoch(self) -> bool:
        return self.step % self._of_epoch == 0 or self.step == self._plan.steps

    def _end_step(self, stop: Stop) -> None:
        """Saves where it is time, and leaves where any process was told to."""
        is_last = self.step == self._plan.steps
        due = self._world.is_first and self._keeper.is_due(
            self.step, ends_epoch=self._ends_epoch, is_last=is_last
        )
        heard = HEARD.index(stop.signal) + 1 if stop.signal else 0
        strongest, due_anywhere = divmod(self._world.most(2 * heard + due), 2)
        if not due_anywhere and not strongest:
            return
        self._check_finite()
        self._save()
        if strongest:
            # Nobody leaves before all is written: srun ends the others when the first one has left.
            self._world.done_by_first(self._keeper.check_last)
            raise StoppedError(HEARD[strongest - 1], self.step, self._plan.steps)

    def _check_finite(self) -> None:
        self.skipped, too_many = self._stepper.skipped()
        if too_many:
            raise NonFiniteLossError(self.skipped, self.step)

    def _write_line(self, lr: float, grad_norm: Tensor) -> None:
        """Looks at the losses of the window and writes their mean."""
        import torch

        window, self._window = self._window, _Window()
        losses = self._world.total(torch.stack(window.losses).float()).double()
        self._check_finite()
        finite = losses[torch.isfinite(losses)]
        took_s = time.perf_counter() - window.began
        mean = float(finite.mean()) if len(finite) else math.nan
        self._sums = [self._sums[0] + float(finite.sum()), self._sums[1] + len(finite)]
        if self._ends_epoch:
            total, num = self._sums
            self.train_loss, self._sums = total / num if num else math.nan, [0.0, 0]
        norm, rate = float(grad_norm), window.images / took_s
        if self._world.is_first and self._keeper.is_ours():
            line: dict[str, Any] = {
                "step": self.step,
                "epoch": (self.step - 1) // self._of_epoch,
                "images_seen": self.images_seen,
                "loss": mean if math.isfinite(mean) else None,
                "lr": lr,
                "grad_norm": norm if math.isfinite(norm) else None,
                "skipped": self.skipped,
                "images_per_s": round(rate, 1),
                "waiting_frac": round(window.waiting_s / took_s, 4),
                **(self.watch.fields(rate) if self.watch else {}),
            }
            try:
                self._log.write(**line)
            except OutputNotWritableError as error:
                self._progress.note(f"a line of metrics is lost: {error.message}")
        self._progress.advance(0, note=f"loss {mean:.3f}")
