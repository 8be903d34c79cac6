"""What a line of metrics says of the machine: memory, and how much of the device's peak is used."""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Dense bfloat16 peaks of the makers' data sheets, in FLOP a second.
_PEAK_OF_NAME = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "A10": 125e12,
}
_BACKWARD = 3
"""Forward and backward together take three times the operations of forward alone."""


def peak_flops(device: torch.device) -> float | None:
    """Of matrix products in bfloat16 on a device that is known; else None."""
    if device.type != "cuda":
        return None
    import torch

    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in _PEAK_OF_NAME.items() if part in name), None)


def flops_of(network: Any, image: Tensor) -> int:
    """Floating-point operations of one image, forward and backward.

    Args:
        network: an `nn.Module`; it stays as it is.
        image: a batch of one, as the network takes it.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    was_training = network.training
    network.eval()  # the statistics of normalisations stay as they are
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    network.train(was_training)
    return _BACKWARD * int(counter.get_total_flops())


def memory_mb(device: torch.device) -> float:
    """The most that was in use so far, in units of 10^6 bytes: of the device, or of the process."""
    import torch

    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


class Watch:
    """Fields of a line of metrics that say how well the machine is used.

    MFU is the model FLOPs utilisation of Chowdhery et al., PaLM, arXiv 2204.02311, appendix B.
    """

    def __init__(self, network: Any, image: Tensor, size: int) -> None:
        """Operations are counted where the peak of the device is known.

        Args:
            network: on its device.
            image: a batch of one, as the network takes it.
            size: devices of this kind that work together.
        """
        self._device = image.device
        peak = peak_flops(self._device)
        self._share_of_image = None
        if peak is not None:
            self._share_of_image = flops_of(network, image) / (peak * size)

    def fields(self, images_per_s: float) -> dict[str, Any]:
        """`memory_mb`, and `mfu` where the peak is known."""
        found: dict[str, Any] = {"memory_mb": memory_mb(self._device)}
        if self._share_of_image is not None:
            found["mfu"] = round(images_per_s * self._share_of_image, 4)
        return found
