"""The patch network F_c(X) = sum_r sum_p ReLU(<w_cr, x_p> + b_cr), and its gradient by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from granctl.theory.setting import Setting

Floats = NDArray[np.floating]


@dataclass(kw_only=True)
class Network:
    """Neurons, each owned by one class; the output weights are 1 and frozen."""

    weights: Floats
    """(d, m): a column a neuron."""
    bias: Floats | None
    """(m,); None: 0."""
    owner: NDArray[np.int64]
    """(m,): the class whose output a neuron adds to; the neurons of a class are neighbours."""
    classes: int
    membership: Floats = field(init=False)
    """(m, C): 1 where a neuron belongs to a class; of the weights' type."""

    def __post_init__(self) -> None:
        held = self.owner[:, None] == np.arange(self.classes)
        self.membership = held.astype(self.weights.dtype)


def first_network(
    setting: Setting, classes: int, rng: np.random.Generator, dtype: type = np.float32
) -> Network:
    """Width // C neurons a class, w ~ N(0, sigma_0^2 I), the bias by its rule."""
    each = setting.width // classes
    drawn = rng.standard_normal((classes * each, setting.d), dtype=np.float32)
    weights = np.ascontiguousarray((drawn * (setting.init / setting.d**0.5)).T.astype(dtype))
    bias: Floats | None = None
    if setting.bias_rule != "none":
        bias = np.full(classes * each, setting.bias, dtype=dtype)
    network = Network(
        weights=weights,
        bias=bias,
        owner=np.repeat(np.arange(classes, dtype=np.int64), each),
        classes=classes,
    )
    hand_set_bias(setting, network)
    return network


def hand_set_bias(setting: Setting, network: Network) -> None:
    """Under the rule `norm`, sets b = bias x |w| sigma_zeta: so many deviations of its noise."""
    if setting.bias_rule == "norm" and network.bias is not None:
        lengths = np.sqrt(np.einsum("ij,ij->j", network.weights, network.weights))
        np.multiply(lengths, setting.bias * setting.sigma_zeta, out=network.bias)


def activations(network: Network, patches: Floats) -> Floats:
    """(n, m): sum over patches of ReLU(<w, x_p> + b).

    Args:
        network: m neurons of d weights.
        patches: (P, n, d).
    """
    num_patches, n, d = patches.shape
    m = network.weights.shape[1]
    before = patches.reshape(num_patches * n, d) @ network.weights
    if network.bias is not None:
        before += network.bias
    np.maximum(before, 0, out=before)
    summed: Floats = np.add.reduce(before.reshape(num_patches, n, m), axis=0)
    return summed


def summed_of(network: Network, patches: Floats, rows: int = 128) -> Floats:
    """(n, m): `activations` of many samples, `rows` at a time: so much stays in the cache."""
    parts = range(0, patches.shape[1], rows)
    return np.concatenate([activations(network, patches[:, i : i + rows]) for i in parts])


def softmax_loss(logits: Floats, truth: NDArray[np.int64]) -> tuple[float, Floats]:
    """The mean cross-entropy of (n, C) logits, and its derivative by them; changes `logits`."""
    n, rows = len(truth), np.arange(len(truth))
    logits -= np.maximum.reduce(logits, axis=1, keepdims=True)
    right = logits[rows, truth]
    np.exp(logits, out=logits)
    total = np.add.reduce(logits, axis=1, keepdims=True)
    loss = float(np.add.reduce(np.log(total[:, 0]) - right)) / n
    logits *= 1 / (n * total)
    logits[rows, truth] -= logits.dtype.type(1 / n)
    return loss, logits


class Gradient:
    """Loss and gradient of a batch, in memory that is used again from step to step.

    With Z = X W + b, S = sum_p ReLU(Z) and logits S A, the derivative by S is G A^T for that G by
    the logits; every patch has it where its Z is positive, and X^T times it is that by W.
    """

    def __init__(self, num_patches: int, d: int, m: int, batch: int, dtype: type) -> None:
        self._shape = (num_patches, batch, d, m)
        self._x: Floats = np.empty(num_patches * batch * d, dtype)
        self._z: Floats = np.empty(num_patches * batch * m, dtype)
        self._on = np.empty(num_patches * batch * m, bool)
        self.by_weights: Floats = np.empty((d, m), dtype)
        self.by_bias: Floats = np.empty(m, dtype)

    def take(self, patches: Floats, rows: NDArray[np.int64]) -> Floats:
        """(P, batch, d): the patches of some samples, in this object's memory."""
        num_patches, _, d, _ = self._shape
        out = self._x[: num_patches * len(rows) * d].reshape(num_patches, len(rows), d)
        # The rows are a permutation's: the mode only spares a second copy.
        return np.take(patches, rows, axis=1, out=out, mode="clip")

    def forward(self, weights: Floats, bias: Floats | None, x: Floats) -> Floats:
        """(batch, m): S of a batch; remembers which neurons were on."""
        num_patches, n, d = x.shape
        m = weights.shape[1]
        z = self._z[: num_patches * n * m].reshape(num_patches * n, m)
        on = self._on[: num_patches * n * m].reshape(num_patches * n, m)
        np.dot(x.reshape(num_patches * n, d), weights, out=z)
        if bias is not None:
            z += bias
        np.greater(z, 0, out=on)
        np.multiply(z, on, out=z)
        summed: Floats = np.add.reduce(z.reshape(num_patches, n, m), axis=0)
        return summed

    def backward(self, x: Floats, by_s: Floats, *, with_bias: bool) -> None:
        """Fills `by_weights` (and `by_bias`) from the derivative by S, (batch, m)."""
        num_patches, n, d = x.shape
        m = by_s.shape[1]
        z = self._z[: num_patches * n * m].reshape(num_patches, n, m)
        on = self._on[: num_patches * n * m].reshape(num_patches, n, m)
        np.multiply(on, by_s, out=z)
        flat = z.reshape(num_patches * n, m)
        np.dot(x.reshape(num_patches * n, d).T, flat, out=self.by_weights)
        if with_bias:
            np.add.reduce(flat, axis=0, out=self.by_bias)
