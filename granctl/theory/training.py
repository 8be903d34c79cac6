"""Stochastic gradient descent on a patch network, and what its neurons respond to as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from granctl.errors import TheoryDivergedError
from granctl.theory.network import Gradient, Network, hand_set_bias, softmax_loss
from granctl.theory.setting import Setting

Floats = NDArray[np.floating]


@dataclass(kw_only=True)
class History:
    """What was seen as it went."""

    losses: list[float] = field(default_factory=list)
    """Mean cross-entropy of each epoch's batches, as they were met."""
    seen_at: list[int] = field(default_factory=list)
    """Steps done when responses were looked at: 0, each of the first ten, then each tenth more, and
    the last."""
    responses: list[list[float]] = field(default_factory=list)
    """At these steps, by level from the top, as `measures.responses`."""
    steps: int = 0

    def see(self, responses: list[float]) -> None:
        """Remembers the responses of now."""
        self.seen_at.append(self.steps)
        self.responses.append(responses)

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self.steps >= self.seen_at[-1] + max(1, self.seen_at[-1] // 10)

    @property
    def epochs(self) -> int:
        """Epochs that were run."""
        return len(self.losses)


def train(
    setting: Setting,
    network: Network,
    patches: Floats,
    classes: NDArray[np.int64],
    rng: np.random.Generator,
    look: Callable[[Network], list[float]],
) -> History:
    """Trains a network in place on cross-entropy until a loss or a number of epochs is reached.

    Each epoch is a permutation of the samples in batches; nothing is drawn twice in it.

    Args:
        setting: step, batch and stopping.
        network: changed in place.
        patches: (P, n, d), of the weights' type.
        classes: (n,), the class of each sample.
        rng: the order of the samples.
        look: gives the responses that are remembered.

    Raises:
        TheoryDivergedError: the loss is not finite any more.
    """
    num_patches, n, d = patches.shape
    m = len(network.owner)
    dtype = network.weights.dtype.type
    gradient = Gradient(num_patches, d, m, min(setting.batch, n), dtype)
    step = dtype(step_size(setting, network.classes))
    history = History()
    history.see(look(network))
    while history.epochs < setting.epochs:
        order, total = rng.permutation(n), 0.0
        for begin in range(0, n, setting.batch):
            rows = order[begin : begin + setting.batch]
            total += one_step(setting, network, gradient, patches, classes, rows, step) * len(rows)
            history.steps += 1
            if history.is_due:
                history.see(look(network))
        history.losses.append(total / n)
        if not np.isfinite(total):
            raise TheoryDivergedError(history.epochs, float(step))
        if history.losses[-1] <= setting.stop_loss:
            break
    if history.seen_at[-1] < history.steps:
        history.see(look(network))
    return history


def step_size(setting: Setting, classes: int) -> float:
    """The step for so many classes: a larger one where each class's gradient is a smaller part."""
    return setting.step * classes / 2 if setting.step_rule == "classes" else setting.step


def one_step(
    setting: Setting,
    network: Network,
    gradient: Gradient,
    patches: Floats,
    classes: NDArray[np.int64],
    rows: NDArray[np.int64],
    step: np.floating,
) -> float:
    """Changes the network by one batch; the batch's loss before."""
    x = gradient.take(patches, rows)
    summed = gradient.forward(network.weights, network.bias, x)
    loss, by_logits = softmax_loss(grouped(network, summed), classes[rows])
    trained_bias = setting.bias_rule == "trained"
    each = len(network.owner) // network.classes
    gradient.backward(x, np.repeat(by_logits, each, axis=1), with_bias=trained_bias)
    gradient.by_weights *= step
    network.weights -= gradient.by_weights
    if trained_bias and network.bias is not None:
        network.bias -= step * gradient.by_bias
    hand_set_bias(setting, network)
    return loss


def grouped(network: Network, summed: Floats) -> Floats:
    """(n, C): the sum of each class's neurons of (n, m), in memory of its own."""
    if summed.shape[1] == network.classes:
        return summed.copy()
    logits: Floats = summed @ network.membership
    return logits
