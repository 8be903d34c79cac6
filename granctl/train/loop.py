"""The training loop: steps, metrics, checkpoints at the ends of epochs, resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from granctl.errors import NonFiniteLossError
from granctl.progress import Progress
from granctl.train import checkpoint
from granctl.train.device import autocast
from granctl.train.images import Batch, num_batches
from granctl.train.metrics import MetricsLog
from granctl.train.recipe import Augment, Optimizer
from granctl.train.schedule import Schedule, factor

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LOG_EVERY = 20
"""Steps between two lines of metrics; on CUDA the loss is looked at only then."""


class Shuffled(Protocol):
    """Training data that can be asked for one epoch in random order."""

    def __len__(self) -> int: ...

    def shuffled(
        self, batch_size: int, augment: Augment, seed: int, epoch: int, steps: int | None = None
    ) -> Iterator[Batch]:
        """Batches of one epoch, a pure function of (seed, epoch, position)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What one training does, apart from its data and network."""

    optimizer: Optimizer
    schedule: Schedule
    steps: int
    batch_size: int
    clip: float | None
    augment: Augment
    seed: int
    head_rate: float = 1.0
    """Learning rate of the head as a multiple of the optimizer's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """Where a training keeps itself."""

    folder: Path
    """Of checkpoints."""
    run_digest: str
    every_s: float = 0.0
    """Seconds between two checkpoints, at least; epochs that end sooner write none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """How a training ended."""

    train_loss: float
    """Mean over the steps of the last epoch."""
    images_seen: int
    """Images of all steps together; an image that is seen twice counts twice."""
    epochs: float
    """Passes over the training images."""


@dataclass
class _Window:
    """Losses and times since the last line of metrics; losses stay on the device till then."""

    losses: list[Tensor] = field(default_factory=list)
    images: int = 0
    waiting_s: float = 0.0
    began: float = field(default_factory=time.perf_counter)


def fit(
    network: Any,
    data: Shuffled,
    plan: Plan,
    *,
    loss_of: Callable[[Tensor, Any], Tensor],
    prepare: Callable[[Tensor], Tensor],
    device: torch.device,
    log: MetricsLog,
    keeping: Keeping | None,
    progress: Progress,
    label: str,
) -> Fitted:
    """Trains a network in place, from its newest checkpoint if it has one.

    Args:
        network: an `nn.Module` on the device.
        data: the training images, or features of them.
        plan: optimizer, schedule, number of steps and so on.
        loss_of: (logits_BK, which images) -> scalar.
        prepare: a batch as the data gives it -> what the network takes, on the device.
        device: where it runs.
        log: gets a line every 20 steps and at the end of each epoch.
        keeping: where checkpoints go; None keeps none.
        progress: told in images.
        label: what it is called there.

    Raises:
        NonFiniteLossError: the loss is infinite or no number; nothing after it was saved.
        CheckpointMismatchError: the folder holds checkpoints of another run.
    """
    import torch

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        fitting = _Fitting(network, data, plan, device, log, progress)
        fitting.resume(keeping)
        progress.start(
            label, plan.steps * len(data) // num_batches(len(data), plan.batch_size), "images"
        )
        progress.advance(fitting.images_seen)
        while fitting.step < plan.steps:
            fitting.epoch_of_steps(loss_of, prepare)
            fitting.keep(keeping)
        progress.finish()
    return Fitted(
        train_loss=fitting.train_loss,
        images_seen=fitting.images_seen,
        epochs=fitting.images_seen / len(data),
    )


class _Fitting:
    """The state of a training between its epochs."""

    def __init__(
        self,
        network: Any,
        data: Shuffled,
        plan: Plan,
        device: torch.device,
        log: MetricsLog,
        progress: Progress,
    ) -> None:
        self._network, self._data, self._plan, self._device = network, data, plan, device
        self._log, self._progress = log, progress
        self._optimizer = make_optimizer(network, plan.optimizer, plan.head_rate)
        self._kept_at = time.monotonic()
        self.step = self.epoch = self.images_seen = 0
        self.train_loss = math.nan

    def resume(self, keeping: Keeping | None) -> None:
        found = None
        if keeping is not None:
            found, _ = checkpoint.newest(keeping.folder, keeping.run_digest, self._progress)
        if found is not None:
            self._network.load_state_dict(found.state["network"])
            self._optimizer.load_state_dict(found.state["optimizer"])
            self.step, self.epoch = found.step, found.epoch
            self.images_seen = found.state["images_seen"]
            self.train_loss = found.state["train_loss"]
            self._progress.note(f"going on after epoch {self.epoch}, step {self.step}")
        self._log.cut_back(self.step)

    def keep(self, keeping: Keeping | None) -> None:
        now = time.monotonic()
        if keeping is None or now - self._kept_at < keeping.every_s:
            return
        self._kept_at = now
        state = {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "images_seen": self.images_seen,
            "train_loss": self.train_loss,
        }
        checkpoint.save(
            keeping.folder,
            state,
            step=self.step,
            epoch=self.epoch,
            run_digest=keeping.run_digest,
        )

    def epoch_of_steps(
        self, loss_of: Callable[[Tensor, Any], Tensor], prepare: Callable[[Tensor], Tensor]
    ) -> None:
        """One epoch, or what is left of the steps."""
        import torch

        plan = self._plan
        # Dropout draws from torch's own numbers: seeded by the epoch, they need not be saved.
        torch.manual_seed((plan.seed << 20) + self.epoch)
        self._network.train()
        last = min(plan.steps, self.step + num_batches(len(self._data), plan.batch_size))
        batches = self._data.shuffled(
            plan.batch_size, plan.augment, plan.seed, self.epoch, last - self.step
        )
        sums, window, asked = [], _Window(), time.perf_counter()
        for batch, images in batches:
            window.waiting_s += time.perf_counter() - asked
            lr = plan.optimizer.lr * factor(plan.schedule, self.step, plan.steps)
            logged = self.step + 1 == last or (self.step + 1) % _LOG_EVERY == 0
            with autocast(self._device):
                logits = self._network(prepare(batch))
            loss = loss_of(logits, images)
            grad_norm = self._update(loss, lr, measured=logged)
            self.step += 1
            self.images_seen += len(images)
            window.losses.append(loss.detach())
            window.images += len(images)
            if logged:
                sums.append(self._write_line(window, lr, grad_norm))
                window = _Window()
            self._progress.advance(len(images))
            asked = time.perf_counter()
        self.epoch += 1
        self.train_loss = sum(s for s, _ in sums) / sum(n for _, n in sums)

    def _update(self, loss: Tensor, lr: float, *, measured: bool) -> Tensor | None:
        """One step of the optimizer; the gradient's norm where it is wanted or clipped."""
        import torch

        for group in self._optimizer.param_groups:
            group["lr"] = lr * group["rate"]
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = None
        if self._plan.clip is not None:
            norm = torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._plan.clip)
        elif measured:
            grads = [p.grad for p in self._network.parameters() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(grads)
        self._optimizer.step()
        return norm

    def _write_line(
        self, window: _Window, lr: float, grad_norm: Tensor | None
    ) -> tuple[float, int]:
        """Looks at the losses of the window and writes their mean; sum and number of them."""
        import torch

        losses = torch.stack(window.losses).double().cpu()
        finite = torch.isfinite(losses)
        if not finite.all():
            first = self.step - len(losses) + int(finite.logical_not().nonzero()[0])
            raise NonFiniteLossError(first, self.step - 1)
        took_s = time.perf_counter() - window.began
        mean = float(losses.mean())
        norm = float(grad_norm) if grad_norm is not None else math.nan
        self._log.write(
            step=self.step,
            epoch=self.epoch,
            images_seen=self.images_seen,
            loss=mean,
            lr=lr,
            grad_norm=norm if math.isfinite(norm) else None,
            images_per_s=round(window.images / took_s, 1),
            waiting_frac=round(window.waiting_s / took_s, 4),
        )
        self._progress.advance(0, note=f"loss {mean:.3f}")
        return float(losses.sum()), len(losses)


def make_optimizer(
    network: Any, optimizer: Optimizer, head_rate: float = 1.0
) -> torch.optim.Optimizer:
    """AdamW or SGD; norms, biases and positions are not decayed unless it is asked.

    Each group has a `rate`: what its learning rate is as a multiple of the optimizer's.
    """
    import torch

    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        # matrices have 2 dimensions, convolutions 4; norms and biases 1, a ViT's positions 3
        decayed = optimizer.decay_all or parameter.ndim in (2, 4)
        decay = optimizer.weight_decay if decayed else 0.0
        rate = head_rate if name.startswith("head.") else 1.0
        groups.setdefault((decay, rate), []).append(parameter)
    tables = [{"params": p, "weight_decay": d, "rate": r} for (d, r), p in groups.items()]
    if optimizer.name == "adamw":
        beta_1, beta_2 = optimizer.betas
        return torch.optim.AdamW(tables, lr=optimizer.lr, betas=(beta_1, beta_2), fused=True)
    return torch.optim.SGD(
        tables,
        lr=optimizer.lr,
        momentum=optimizer.momentum,
        nesterov=optimizer.nesterov,
        fused=True,
    )
