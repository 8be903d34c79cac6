"""Networks: a small ResNet and a small ViT for small images, torchvision's and timm's at any size.

Every network is a body (images -> features), an optional layer `pre` that only pretraining has,
and a linear head. Shapes: B images, C channels, S side in pixels, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from granctl.train import timmodels
from granctl.train.architecture import RESNETS, VITS, Model

if TYPE_CHECKING:
    from torch import Tensor, nn


def build(model: Model, *, channels: int, resolution: int, num_classes: int, seed: int) -> Any:
    """A network with random weights that follow from `seed` alone.

    Returns:
        an `nn.Module` with `features(images_BCSS) -> features_BF`, `head`, `num_features` and
        `forward(images_BCSS) -> logits_BK`; images are normalised float32. Weights lie as
        `channels_last`, as the images do.

    Raises:
        MissingExtraError: it is one of timm's, and timm is not installed.
        UnknownModelError: timm has no model of that name.
        BadOptionError: timm cannot make it for such images.

    Example:
        >>> small = Model(name="small-resnet", width=8, stages=(2.0, 4.0))
        >>> build(small, channels=1, resolution=28, num_classes=10, seed=0).num_features
        32
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make = timmodels.make if model.is_timm else _MAKER_OF_NAME[model.name]
        body, num_features = make(model, channels, resolution)
        network = _network_class()(body, num_features)
        if model.representation_size is not None:
            network.pre = _pre_logits(num_features, model.representation_size)
            num_features = model.representation_size
        network.head = torch.nn.Linear(num_features, num_classes)
    if model.zero_head:
        _zero(network.head)
    return network.to(memory_format=torch.channels_last)


def _pre_logits(num_features: int, width: int) -> nn.Module:
    """The tanh layer before the head, with torchvision's first weights."""
    from torch import nn

    linear = nn.Linear(num_features, width)
    nn.init.trunc_normal_(linear.weight, std=num_features**-0.5)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.Tanh())


def _zero(head: Any) -> None:
    from torch import nn

    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)


def with_new_head(network: Any, num_classes: int) -> Any:
    """Puts a linear head of zeros on the body, in place of the head and of `pre`.

    Zeros: the first gradient reaches the head alone, so that a random head does not disturb the
    body (the published fine-tuning of ViT does the same).
    """
    from torch import nn

    network.pre = nn.Identity()
    network.head = nn.Linear(network.num_features, num_classes)
    _zero(network.head)
    return network


def at_resolution(network: Any, resolution: int) -> Any:
    """The network, changed in place so that it takes images of another side.

    Positions of a ViT are interpolated bicubically, as torchvision's `interpolate_embeddings`
    does (Dosovitskiy et al., arXiv 2010.11929, section 3.2); ResNets take any side as they are.

    Args:
        network: as `build` makes it; of a ViT, `resolution` is a multiple of the patch.
        resolution: S, of the images to come.
    """
    from torch import nn
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    body = network.body
    if isinstance(body, VisionTransformer):
        name = "encoder.pos_embedding"
        table = {name: body.encoder.pos_embedding.data}
        found = interpolate_embeddings(resolution, body.patch_size, table)
        body.encoder.pos_embedding = nn.Parameter(found[name])
        body.image_size = resolution
    elif isinstance(body, _vit_class()):
        side = resolution // body.patches.kernel_size[0]
        before = round(body.positions.shape[1] ** 0.5)
        grid = body.positions.data.unflatten(1, (before, before)).permute(0, 3, 1, 2)
        grid = nn.functional.interpolate(grid, side, mode="bicubic", align_corners=True)
        body.positions = nn.Parameter(grid.flatten(2).transpose(1, 2).contiguous())
    elif hasattr(body, "set_input_size"):  # timm's
        body.set_input_size(img_size=(resolution, resolution))
    return network


@cache
def _network_class() -> Any:
    # Classes of layers stand inside functions because torch is loaded only when one computes.
    from torch import nn

    class Network(nn.Module):
        def __init__(self, body: nn.Module, num_features: int) -> None:
            super().__init__()
            self.num_features = num_features
            self.body = body
            self.pre: nn.Module = nn.Identity()
            self.head: nn.Module = nn.Identity()

        def features(self, images_BCSS: Tensor) -> Tensor:
            features_BF: Tensor = self.body(images_BCSS)
            return features_BF

        def forward(self, images_BCSS: Tensor) -> Tensor:
            logits_BK: Tensor = self.head(self.pre(self.features(images_BCSS)))
            return logits_BK

    return Network


# --- the small ResNet --------------------------------------------------------------------------


@cache
def _block_class() -> Any:
    from torch import nn

    class Block(nn.Module):
        """A convolution that halves the image, then a residual one; batch norm and ReLU each."""

        def __init__(self, channels_in: int, channels: int) -> None:
            super().__init__()
            self.down = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1, bias=False)
            self.down_norm = nn.BatchNorm2d(channels)
            self.same = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.same_norm = nn.BatchNorm2d(channels)

        def forward(self, images: Tensor) -> Tensor:
            halved = self.down_norm(self.down(images)).relu_()
            added: Tensor = (self.same_norm(self.same(halved)) + halved).relu_()
            return added

    return Block


def _small_resnet(model: Model, channels: int, _resolution: int) -> tuple[nn.Module, int]:
    """A stride-2 stem and one block a stage.

    Half the pixels go at the first convolution, and no layer keeps the full image: that is what
    makes thousands of images a second on one CPU thread.
    """
    from torch import nn

    assert model.width is not None  # the spec asks for them
    assert model.stages is not None
    layers: list[nn.Module] = [
        nn.Conv2d(channels, model.width, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(model.width),
        nn.ReLU(inplace=True),
    ]
    width = model.width
    for stage in model.stages:
        layers.append(_block_class()(width, round(model.width * stage)))
        width = round(model.width * stage)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), width


# --- the small ViT -----------------------------------------------------------------------------


@cache
def _vit_class() -> Any:
    import torch
    from torch import nn

    class SmallViT(nn.Module):
        """Patches, learned positions, pre-norm blocks, the mean of the tokens."""

        def __init__(
            self,
            channels: int,
            side: int,
            patch: int,
            width: int,
            depth: int,
            heads: int,
            dropout: float,
        ) -> None:
            super().__init__()
            self.patches = nn.Conv2d(channels, width, patch, stride=patch)
            self.positions = nn.Parameter(torch.randn(1, (side // patch) ** 2, width) * 0.02)
            block = nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
            self.norm = nn.LayerNorm(width)

        def forward(self, images: Tensor) -> Tensor:
            tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
            mean: Tensor = self.norm(self.blocks(tokens)).mean(1)
            return mean

    return SmallViT


def _small_vit(model: Model, channels: int, resolution: int) -> tuple[nn.Module, int]:
    assert model.width is not None  # the spec asks for them
    assert model.depth is not None
    assert model.heads is not None
    assert model.patch is not None
    body = _vit_class()(
        channels, resolution, model.patch, model.width, model.depth, model.heads, model.dropout
    )
    return body, model.width


# --- torchvision's -----------------------------------------------------------------------------


def _resnet(model: Model, channels: int, _resolution: int) -> tuple[nn.Module, int]:
    import torchvision
    from torch import nn

    body = getattr(torchvision.models, model.name)(weights=None)
    num_features: int = body.fc.in_features
    body.fc = nn.Identity()
    if channels != 3:
        body.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(body.conv1.weight, mode="fan_out", nonlinearity="relu")
    return body, num_features


# Patches' side is in the name: layers, heads, width. Ti and S are those of DeiT (arXiv 2012.12877,
# table 1) and AugReg (2106.10270), B and L those of the ViT paper; the MLP has 4 x the width.
_VIT_SIZES = {"ti": (12, 3, 192), "s": (12, 6, 384), "b": (12, 12, 768), "l": (24, 16, 1024)}


def _vit(model: Model, channels: int, resolution: int) -> tuple[nn.Module, int]:
    from torch import nn
    from torchvision.models.vision_transformer import VisionTransformer

    layers, heads, width = _VIT_SIZES[model.name.split("_")[1]]
    patch = model.patch_side
    assert patch is not None  # it stands in the name
    body = VisionTransformer(
        image_size=resolution,
        patch_size=patch,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        mlp_dim=4 * width,
        dropout=model.dropout,
    )
    body.heads = nn.Identity()
    if channels != 3:
        body.conv_proj = nn.Conv2d(channels, width, patch, stride=patch)
        nn.init.trunc_normal_(body.conv_proj.weight, std=(channels * patch**2) ** -0.5)
        nn.init.zeros_(body.conv_proj.bias)
    if model.stochastic_depth:
        _leave_out(body.encoder.layers, model.stochastic_depth)
    return body, width


def _leave_out(blocks: Any, most: float) -> None:
    """Lets both halves of each block be left out; torchvision's ViT cannot do it by itself.

    The layers added have no weights, so the names of the others stay.
    """
    from torch import nn
    from torchvision.ops import StochasticDepth

    for i, block in enumerate(blocks):
        chance = most * i / max(len(blocks) - 1, 1)
        block.dropout = nn.Sequential(block.dropout, StochasticDepth(chance, "row"))
        block.mlp.append(StochasticDepth(chance, "row"))


_MAKER_OF_NAME: dict[str, Callable[[Model, int, int], tuple[nn.Module, int]]] = {
    "small-resnet": _small_resnet,
    "small-vit": _small_vit,
    **dict.fromkeys(RESNETS, _resnet),
    **dict.fromkeys(VITS, _vit),
}
