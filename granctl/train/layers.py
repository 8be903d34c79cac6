"""The layers of a network, from the images to the head: which weights, which blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from granctl.errors import NoLayersError

if TYPE_CHECKING:
    from torch import nn

_BLOCK = re.compile(
    r"body\.(?:"
    r"encoder\.layers\.encoder_layer_\d+"  # torchvision's ViTs
    r"|blocks\.layers\.\d+"  # the small ViT
    r"|layer\d+\.\d+"  # ResNets of torchvision and timm
    r"|blocks\.\d+"  # timm's ViTs and much else
    r"|(?:stages|layers)\.\d+\.blocks\.\d+"  # timm's ConvNeXt and Swin
    r"|\d+(?=\.(?:down|same))"  # the small ResNet
    r")(?=\.)"
)
_ABOVE = ("body.encoder.ln.", "body.norm.", "pre.", "head.")
"""Begins the names of weights that come after the last block."""


def layer_of_weight(network: Any, what: str = "optimizer.layer_decay") -> dict[str, int]:
    """The number of the layer of each weight, by its name; 0 is the nearest to the image.

    Patches, class token and positions, or a ResNet's stem, are layer 0; of N blocks the i-th,
    from 1, is layer i; the head, with `pre` and a norm before it, is layer N + 1. So MAE numbers
    them (facebookresearch/mae, util/lr_decay.py). For timm's models timm says what a layer is,
    which puts the norm after the last block with that block.

    Args:
        network: as `models.build` makes it.
        what: the option that needs it, for the error.

    Raises:
        NoLayersError: it has no blocks that are known.
    """
    names = [name for name, _ in network.named_parameters()]
    matcher = getattr(getattr(network, "body", None), "group_matcher", None)
    if matcher is not None:
        return _by_timm(matcher, names)
    number_of_block: dict[str, int] = {}
    found: dict[str, int] = {}
    for name in names:
        match = _BLOCK.match(name)
        if match:
            found[name] = number_of_block.setdefault(match[0], len(number_of_block) + 1)
    if not found:
        raise NoLayersError(what, type(network).__name__)
    top = len(number_of_block) + 1
    return {name: found.get(name, top if name.startswith(_ABOVE) else 0) for name in names}


def _by_timm(matcher: Any, names: list[str]) -> dict[str, int]:
    from timm.models._manipulate import group_with_matcher

    # What timm's patterns do not name is the last layer for it: there is the head, which is ours.
    of_body = [name.removeprefix("body.") for name in names if name.startswith("body.")]
    asked = ((name, None) for name in [*of_body, "classes"])
    found: dict[str, int] = group_with_matcher(asked, matcher(coarse=False), reverse=True)
    return {name: found.get(name.removeprefix("body."), found["classes"]) for name in names}


def rate_of_weight(network: Any, decay: float) -> dict[str, float]:
    """What each weight's learning rate is multiplied with, by its name.

    decay ** (top - layer): 1 for the head, `decay` for the last block, and so on down (Bao et al.,
    BEiT, arXiv 2106.08254, appendix; the idea is from ELECTRA, arXiv 2003.10555, appendix A).

    Raises:
        NoLayersError: the network has no blocks that are known.
    """
    layer_of = layer_of_weight(network)
    top = max(layer_of.values())
    return {name: decay ** (top - layer) for name, layer in layer_of.items()}


def blocks_of(network: nn.Module, what: str) -> list[nn.Module]:
    """The blocks of a network, from the images on.

    Args:
        network: as `models.build` makes it.
        what: the option that needs them, for the error.

    Raises:
        NoLayersError: it has none that are known.
    """
    names = dict.fromkeys(m[0] for n, _ in network.named_parameters() if (m := _BLOCK.match(n)))
    if not names:
        raise NoLayersError(what, type(getattr(network, "body", network)).__name__)
    return [network.get_submodule(name) for name in names]
