"""How superclasses are read from a trained network: max, summed probability, probe, finetuning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from granctl.errors import TheoryDivergedError
from granctl.theory.network import Gradient, Network, hand_set_bias, softmax_loss, summed_of
from granctl.theory.setting import Setting
from granctl.theory.training import step_size

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


def max_scores(logits: Floats, shares: Floats) -> Floats:
    """(n, K): F_y = max over classes c of F_c + log(share of y in c).

    Where every class lies inside one superclass this is the paper's max over a superclass's
    outputs; a class that two superclasses share equally tells nothing between them.

    Args:
        logits: (n, C).
        shares: (C, K), as `labels.composition` gives them.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(shares)
    best = np.full((len(logits), shares.shape[1]), -np.inf)
    for y in range(shares.shape[1]):
        inside = np.flatnonzero(shares[:, y] > 0)
        best[:, y] = (logits[:, inside] + logs[inside, y]).max(axis=1)
    return best


def log_likelihoods(logits: Floats, shares: Floats) -> Floats:
    """(n, K): log of the sum over classes c of P(c | x) times the share of y in c."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    chance = np.exp(wide)
    chance /= chance.sum(axis=1, keepdims=True)
    told: Floats = np.log(np.maximum(chance @ shares, 1e-300))
    return told


def error(scores: Floats, truth: Ints) -> float:
    """Share of samples whose best score is not the truth's; t equal best ones are a guess of t."""
    best = scores.max(axis=1, keepdims=True)
    ties = scores == best
    right = ties[np.arange(len(truth)), truth] / ties.sum(axis=1)
    return float(1 - right.mean())


class LinearProbe:
    """Softmax regression on the frozen neurons' sums over patches."""

    def __init__(self, setting: Setting, summed: Floats, truth: Ints) -> None:
        """Fits it on training samples.

        Minimises the mean cross-entropy plus a ridge by Nesterov's accelerated gradient with the
        step 1 / L, L = largest eigenvalue of H^T H / (2 n) + ridge.

        Args:
            setting: the ridge, steps and number of superclasses.
            summed: (n, m), as `activations` gives them.
            truth: (n,), superclasses.
        """
        self._scale = mean_length(summed)
        h = self._inputs(summed)
        top = float(np.linalg.eigvalsh(h.T @ h)[-1])
        rate = 1 / (top / (2 * len(h)) + setting.probe_ridge)
        self._head = np.zeros((h.shape[1], setting.superclasses), h.dtype)
        ahead = self._head.copy()
        for t in range(setting.probe_steps):
            _, by_logits = softmax_loss(h @ ahead, truth)
            slope = h.T @ by_logits + setting.probe_ridge * ahead
            new = ahead - rate * slope
            ahead = new + (t / (t + 3)) * (new - self._head)
            self._head = new

    def _inputs(self, summed: Floats) -> Floats:
        ones = np.ones((len(summed), 1), summed.dtype)
        return np.concatenate([summed / self._scale, ones], axis=1)

    def scores(self, summed: Floats) -> Floats:
        """(n, K), of what `activations` gives."""
        scores: Floats = self._inputs(summed) @ self._head
        return scores


def mean_length(summed: Floats) -> float:
    """The root mean square length of rows; 1 where all are 0."""
    return float(np.sqrt(np.square(summed, dtype=np.float64).sum(axis=1).mean())) or 1.0


class Finetuned:
    """The whole network with a new, trained head on top, trained on superclasses.

    The head begins at 0 on features scaled to unit mean length; neurons begin where pretraining
    left them. Both are trained by the same batches; it stops at `stop_loss` or after
    `finetune_epochs`.
    """

    def __init__(
        self,
        setting: Setting,
        network: Network,
        patches: Floats,
        truth: Ints,
        rng: np.random.Generator,
    ) -> None:
        """Trains it; the network that was given stays as it is.

        Raises:
            TheoryDivergedError: the loss is not finite any more.
        """
        dtype = network.weights.dtype.type
        self._network = Network(
            weights=network.weights.copy(),
            bias=None if network.bias is None else network.bias.copy(),
            owner=network.owner,
            classes=network.classes,
        )
        num_patches, n, d = patches.shape
        m = len(network.owner)
        self._scale = dtype(mean_length(summed_of(network, patches)))
        self._head = np.zeros((m, setting.superclasses), dtype)
        self._shift = np.zeros(setting.superclasses, dtype)
        gradient = Gradient(num_patches, d, m, min(setting.batch, n), dtype)
        for epoch in range(setting.finetune_epochs):
            order, total = rng.permutation(n), 0.0
            for begin in range(0, n, setting.batch):
                rows = order[begin : begin + setting.batch]
                total += self._step(setting, gradient, patches, truth, rows) * len(rows)
            if not np.isfinite(total):
                raise TheoryDivergedError(epoch + 1, setting.finetune_step)
            if total / n <= setting.stop_loss:
                break

    def _step(
        self, setting: Setting, gradient: Gradient, patches: Floats, truth: Ints, rows: Ints
    ) -> float:
        network = self._network
        x = gradient.take(patches, rows)
        features = gradient.forward(network.weights, network.bias, x) / self._scale
        loss, by_logits = softmax_loss(features @ self._head + self._shift, truth[rows])
        trained_bias = setting.bias_rule == "trained"
        gradient.backward(x, by_logits @ self._head.T / self._scale, with_bias=trained_bias)
        rate = self._head.dtype.type(setting.finetune_step)
        self._head -= rate * (features.T @ by_logits)
        self._shift -= rate * by_logits.sum(axis=0)
        step = network.weights.dtype.type(step_size(setting, setting.superclasses))
        network.weights -= step * gradient.by_weights
        if trained_bias and network.bias is not None:
            network.bias -= step * gradient.by_bias
        hand_set_bias(setting, network)
        return loss

    def scores(self, patches: Floats) -> Floats:
        """(n, K): logits of test samples."""
        scaled = summed_of(self._network, patches) / self._scale
        scores: Floats = scaled @ self._head + self._shift
        return scores
