"""Many linear heads trained at once on the same features: one tensor, one stream of minibatches.

The idea is DINOv2's (facebookresearch/dinov2, eval/linear.py; Oquab et al., arXiv 2304.07193): a
pass over the data costs far more than a head, so a whole grid of rates and decays shares it.
Shapes: N images, b of a minibatch, F features, K classes, G heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from granctl.shards.order import permuted
from granctl.train import losses
from granctl.train.batches import Share, pieces_from
from granctl.train.labelling import Labelling
from granctl.train.objective import LossKind
from granctl.train.recipe import Probe
from granctl.train.schedule import factor

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_BYTES_AT_ONCE = 1 << 31
"""Of weights, gradients and the optimizer's two moments: heads beyond it wait for their turn."""
_ROWS = 4096
"""Rows that are judged at once, divided by the number of heads."""


class Knobs(NamedTuple):
    """What differs between the heads of a grid."""

    lr: float
    decay: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Heads:
    """G trained heads."""

    weight: Tensor
    """Shape (G, K, F)."""
    bias: Tensor
    """Shape (G, K)."""
    losses: list[float]
    """Mean training loss of each over its last epoch; not finite where its rate was too large."""

    def logits(self, features: Tensor, head: int) -> Tensor:
        """Shape (b, K), of one head."""
        return features @ self.weight[head].T + self.bias[head]


def train_heads(
    features: NDArray[np.float32],
    labelling: Labelling,
    kind: LossKind,
    knobs: Sequence[Knobs],
    training: Probe,
    seed: int,
    device: torch.device,
    told: Callable[[int, list[float]], None] | None = None,
) -> Heads:
    """Trains G heads from zero on the same minibatches; each as if it were alone.

    A head of a rate that is too large becomes infinite and disturbs no other. A sigmoid head
    starts at each class's own share of the images.

    Args:
        features: shape (N, F), standardised.
        labelling: classes of the N images.
        kind: cross-entropy or sigmoid.
        knobs: rate and decay of each head.
        training: all else: optimizer, steps, schedule, batch size.
        seed: order of the images.
        device: where it is computed.
        told: called after every step with its number from 1 and no losses, or, at each 20th and
            the last, the loss of each head.
    """
    import torch

    size = 16 * labelling.num_classes * (features.shape[1] + 1)
    most = max(_BYTES_AT_ONCE // size, 1)
    parts = [
        _train(features, labelling, kind, knobs[i : i + most], training, seed, device, told)
        for i in range(0, len(knobs), most)
    ]
    return Heads(
        weight=torch.cat([part.weight for part in parts]),
        bias=torch.cat([part.bias for part in parts]),
        losses=[loss for part in parts for loss in part.losses],
    )


def judge_heads(
    heads: Heads,
    features: NDArray[np.float32],
    labelling: Labelling,
    kind: LossKind,
    device: torch.device,
) -> list[tuple[float, float]]:
    """Top-1 and mean loss of each head on some images; (0, infinity) where it is no number.

    Args:
        heads: G of them.
        features: shape (N, F), standardised.
        labelling: classes of the N images.
        kind: cross-entropy or sigmoid.
        device: where the heads are.
    """
    import torch

    num_heads = len(heads.weight)
    right = torch.zeros(num_heads, dtype=torch.float64, device=device)
    total = torch.zeros(num_heads, dtype=torch.float64, device=device)
    with torch.inference_mode():
        for begin in range(0, len(labelling), _ROWS):
            which = np.arange(begin, min(begin + _ROWS, len(labelling)))
            rows = torch.from_numpy(features[which]).to(device)
            hot = torch.from_numpy(labelling.multi_hot(which)).to(device)
            for head in range(num_heads):
                logits = heads.logits(rows, head)
                right[head] += hot.gather(1, logits.argmax(1, keepdim=True)).sum()
                total[head] += _loss(logits, labelling, which, kind, 0.0, 1).sum()
    found = zip((right / len(labelling)).tolist(), (total / len(labelling)).tolist(), strict=True)
    return [(top1, loss) if np.isfinite(loss) else (0.0, float("inf")) for top1, loss in found]


def _train(
    features: NDArray[np.float32],
    labelling: Labelling,
    kind: LossKind,
    knobs: Sequence[Knobs],
    training: Probe,
    seed: int,
    device: torch.device,
    told: Callable[[int, list[float]], None] | None,
) -> Heads:
    import torch

    num_heads, num_classes, width = len(knobs), labelling.num_classes, features.shape[1]
    weight = torch.zeros(num_heads, num_classes, width, device=device, requires_grad=True)
    bias = torch.zeros(num_heads, num_classes, device=device, requires_grad=True)
    if kind == "sigmoid":
        share = labelling.images_of_class() / len(labelling)
        with torch.no_grad():
            bias += torch.from_numpy(losses.log_odds(share, len(labelling))).to(device)
    optimizer = _optimizer(weight, bias, knobs, training)
    each: list[Tensor] = []
    epoch = -1
    for step, piece in enumerate(
        pieces_from(len(labelling), training.batch_size, Share(), step=0, steps=training.steps)
    ):
        if piece.epoch != epoch:
            epoch, each = piece.epoch, []
        which = permuted(piece.positions, len(labelling), seed, piece.epoch)
        rows = torch.from_numpy(features[which]).to(device)
        flat = rows @ weight.view(-1, width).T
        logits = flat.view(len(which), num_heads, num_classes) + bias
        smoothing = training.label_smoothing
        loss = _loss(logits.flatten(0, 1), labelling, which, kind, smoothing, num_heads)
        loss_G = loss.view(len(which), num_heads).mean(0)
        optimizer.zero_grad(set_to_none=False)
        loss_G.sum().backward()  # type: ignore[no-untyped-call]
        rate = factor(training.schedule, step, training.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["peak"]
        optimizer.step()
        each.append(loss_G.detach())
        if told is not None:
            last = step + 1 == training.steps
            told(step + 1, loss_G.tolist() if last or (step + 1) % 20 == 0 else [])
    mean_loss = torch.stack(each).mean(0).tolist()
    return Heads(weight=weight.detach(), bias=bias.detach(), losses=mean_loss)


def _optimizer(weight: Tensor, bias: Tensor, knobs: Sequence[Knobs], training: Probe) -> Any:
    """Torch's own, over parts of the two tensors: a group for each head's weights and its bias."""
    import torch

    weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
    groups = []
    for head, (lr, decay) in enumerate(knobs):
        for whole, how_much in ((weight, decay), (bias, 0.0)):
            part = torch.nn.Parameter(whole.detach()[head])  # of the same memory
            assert whole.grad is not None
            part.grad = whole.grad[head]
            groups.append({"params": [part], "weight_decay": how_much, "lr": lr, "peak": lr})
    asked = training.optimizer
    if asked.name == "sgd":
        return torch.optim.SGD(groups, momentum=asked.momentum, nesterov=asked.nesterov)
    kind = torch.optim.AdamW if asked.name == "adamw" else torch.optim.Adam
    beta_1, beta_2 = asked.betas
    return kind(groups, betas=(beta_1, beta_2))


def _loss(
    logits: Tensor,
    labelling: Labelling,
    which: NDArray[np.int64],
    kind: LossKind,
    smoothing: float,
    num_heads: int,
) -> Tensor:
    """Of each image under each head: shape (b * G,), from logits of shape (b * G, K)."""
    import torch

    device = logits.device
    if kind == "sigmoid":
        hot = torch.from_numpy(labelling.multi_hot(which)).to(device)
        return losses.sigmoid(logits, hot.repeat_interleave(num_heads, 0), each=True)
    classes = torch.from_numpy(labelling.main_class_of(which)).to(device)
    return losses.cross_entropy(logits, classes.repeat_interleave(num_heads), smoothing, each=True)
