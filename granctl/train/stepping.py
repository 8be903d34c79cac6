"""One step of an optimizer: gradients to weights, unless they are not finite.

Whether they are is found and acted upon on the device, so that no step waits for it: the fused
optimizers leave weights and their own state alone where they are told that something is infinite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from granctl.train import sharding
from granctl.train.layers import rate_of_weight
from granctl.train.recipe import Optimizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MOST_SKIPPED = 3
"""Steps in a row without a finite gradient after which nothing will mend itself."""


class Stepper:
    """Takes steps; skips those whose gradients are infinite or no numbers, and counts them.

    A skipped step leaves nothing behind, in the statistics of normalisations neither.
    """

    def __init__(
        self, network: Any, optimizer: Optimizer, *, head_rate: float, clip: float | None
    ) -> None:
        import torch

        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._local = {name: sharding.local(p) for name, p in network.named_parameters()}
        self._optimizer = make_optimizer(network, optimizer, head_rate, self._local)
        whole = {id(self._local[name]): p for name, p in network.named_parameters()}
        steps = [p for group in self._optimizer.param_groups for p in group["params"]]
        self._stepped = [whole[id(p)] for p in steps]
        """The weights in the optimizer's order."""
        self._parts = [
            (p, part) for p, part in zip(self._stepped, steps, strict=True) if p is not part
        ]
        self._clip = clip
        self._buffers = [b for b in network.buffers() if b.is_floating_point()]
        self._before = [b.clone() for b in self._buffers]
        device = self._parameters[0].device
        self._counts = torch.zeros(3, dtype=torch.int64, device=device)
        """Skipped in all, in a row just now, and the most in a row."""

    def begin(self) -> None:
        """Before the first forward pass of a step."""
        import torch

        self._optimizer.zero_grad()
        for weight, _ in self._parts:
            weight.grad = None
        if self._buffers:
            torch._foreach_copy_(self._before, self._buffers)

    def step(self, lr: float) -> Tensor:
        """Takes the step; returns the norm of the gradient before it was clipped: a scalar."""
        import torch

        for group in self._optimizer.param_groups:
            group["lr"] = lr * group["rate"]
        grads = [p.grad for p in self._parameters if p.grad is not None]
        norm: Tensor = torch.nn.utils.get_total_norm(grads)
        if self._clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self._parameters, self._clip, norm)
        norm = sharding.whole(norm)
        bad = torch.isfinite(norm).logical_not()
        for weight, part in self._parts:
            part.grad = weight.grad.to_local()
        self._optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
        self._optimizer.grad_scale = None  # type: ignore[attr-defined]
        self._optimizer.step()
        for buffer, before in zip(self._buffers, self._before, strict=True):
            torch.where(bad, before, buffer, out=buffer)
        total, row, most = self._counts.unbind()
        row = torch.where(bad, row + 1, 0)
        self._counts = torch.stack([total + bad, row, torch.maximum(most, row)])
        return norm

    def skipped(self) -> tuple[int, bool]:
        """Steps skipped so far, and whether it were too many in a row; waits for the device."""
        total, _, most = self._counts.tolist()
        return total, most >= MOST_SKIPPED

    def state_dict(self) -> dict[str, Any]:
        """Of the optimizer, and what was skipped; of sharded weights every process must ask."""
        optimizer = sharding.whole_state(self._optimizer.state_dict(), self._stepped)
        return {"optimizer": optimizer, "skipped": self._counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there."""
        own = sharding.parts_of_state(state["optimizer"], self._stepped)
        self._optimizer.load_state_dict(own)
        self._counts.copy_(state["skipped"])


def make_optimizer(
    network: Any,
    optimizer: Optimizer,
    head_rate: float = 1.0,
    local: Mapping[str, Tensor] | None = None,
) -> torch.optim.Optimizer:
    """AdamW, Adam or SGD; norms, biases and positions are not decayed unless it is asked.

    Each group has a `rate`: what its learning rate is as a multiple of the optimizer's.

    Args:
        network: as `models.build` makes it, or a part of one.
        optimizer: as a recipe says it.
        head_rate: of the head, as a multiple.
        local: what is stepped in place of each weight, by its name; None: the weights.

    Raises:
        NoLayersError: the rate falls with the layer, and the network has no layers that are known.
    """
    import torch

    groups: dict[tuple[float, float], list[Tensor]] = {}
    decay_rate = optimizer.layer_decay
    layer_rate = {} if decay_rate is None else rate_of_weight(network, decay_rate)
    for name, parameter in network.named_parameters():
        # matrices have 2 dimensions, convolutions 4; norms and biases 1, a ViT's positions 3
        decayed = optimizer.decay_all or parameter.ndim in (2, 4)
        decay = optimizer.weight_decay if decayed else 0.0
        rate = head_rate if name.startswith("head.") else layer_rate.get(name, 1.0)
        stepped = parameter if local is None else local[name]
        groups.setdefault((decay, rate), []).append(stepped)
    tables = [{"params": p, "weight_decay": d, "rate": r} for (d, r), p in groups.items()]
    if optimizer.name != "sgd":
        kind = torch.optim.AdamW if optimizer.name == "adamw" else torch.optim.Adam
        beta_1, beta_2 = optimizer.betas
        return kind(tables, lr=optimizer.lr, betas=(beta_1, beta_2), fused=True)
    sgd = torch.optim.SGD(
        tables,
        lr=optimizer.lr,
        momentum=optimizer.momentum,
        nesterov=optimizer.nesterov,
        fused=True,
    )
    if optimizer.momentum:
        # The first step would make them, and fill them only if its gradients are finite. Zeros
        # give the same first step.
        for group in sgd.param_groups:
            for parameter in group["params"]:
                sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd
