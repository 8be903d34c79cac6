"""The moving average of a network's weights, which often scores better than the last ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from granctl.train import sharding

if TYPE_CHECKING:
    from torch import Tensor


class Average:
    """Weights averaged over steps; statistics of normalisations are taken as they are.

    In the beginning it forgets faster, min(decay, (1 + t) / (10 + t)) at step t, so that it does
    not remember the random weights (as in TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, network: Any, decay: float) -> None:
        self._network, self._decay = network, decay
        self._names = [name for name, _ in network.named_parameters()]
        self._now = [p for _, p in network.named_parameters()]
        self._mean = [p.detach().clone() for p in self._now]

    def update(self, step: int) -> None:
        """After a step, the number of which begins with 1."""
        import torch

        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mean, [p.detach() for p in self._now], 1.0 - decay)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights by name."""
        return dict(zip(self._names, self._mean, strict=True))

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from there."""
        for name, mean in zip(self._names, self._mean, strict=True):
            mean.copy_(sharding.part_of(state[name], mean))

    def take_over(self) -> None:
        """The network gets the averaged weights."""
        import torch

        with torch.no_grad():
            for weight, mean in zip(self._now, self._mean, strict=True):
                weight.copy_(mean)
