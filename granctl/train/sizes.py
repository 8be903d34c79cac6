"""How large a network is and what an image costs, from its table alone: loads no torch.

Operations are counted as torch's FlopCounterMode counts them: two a multiplication with its
addition, of convolutions, matrix products and attention; the rest is left out. A backward pass
takes twice a forward one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from granctl.train.architecture import RESNETS, VITS, Model
from granctl.train.recipe import Recipe

FORWARD_AND_BACKWARD = 3
"""Passes of a training step, in forward passes."""
_FLOAT = 4
_BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
_WIDE = ("resnet50", "resnet101")
"""Their blocks have three convolutions, and four times the channels at their end."""
_VIT_SIZES = {"ti": (12, 192), "s": (12, 384), "b": (12, 768), "l": (24, 1024)}
NUMBERS_OF_OPTIMIZER = {"adamw": 2, "adam": 2, "sgd": 1}
"""That are kept for each weight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A network at one resolution, with a head."""

    weights: int
    """Numbers that are learnt."""
    buffers: int
    """Numbers that are kept beside them: statistics of normalisations."""
    body_flops: int
    """Operations of one forward pass of one image, up to the features."""
    head_flops: int
    """Of the head, and of the layer before it where pretraining has one."""
    num_features: int
    """Of the body."""

    @property
    def training_flops(self) -> int:
        """Operations of one image, forward and backward."""
        return FORWARD_AND_BACKWARD * (self.body_flops + self.head_flops)


def size_of(model: Model, channels: int, resolution: int, num_classes: int) -> Size | None:
    """The size of a network; None of timm's, which only timm knows.

    Args:
        model: the architecture.
        channels: of the images.
        resolution: side of the image in pixels.
        num_classes: outputs of the head.

    Example:
        >>> vit = size_of(Model(name="vit_b_16"), 3, 224, 1000)
        >>> vit.weights, round(vit.training_flops / 1e9)
        (86567656, 105)
    """
    if model.is_timm:
        return None
    if model.name in VITS:
        depth, width = _VIT_SIZES[model.name.split("_")[1]]
        body = _vit(channels, resolution, model.patch_side or 0, width, depth, class_token=True)
    elif model.name == "small-vit":
        width = model.width or 0
        body = _vit(
            channels, resolution, model.patch or 0, width, model.depth or 0, class_token=False
        )
    else:
        layers = _resnet(model, channels) if model.name in RESNETS else _small(model, channels)
        body = _of_layers(list(layers), resolution)
        width = 512 * (4 if model.name in _WIDE else 1)
        if model.name not in RESNETS:
            width = round((model.width or 0) * (model.stages or (1.0,))[-1])
    before, features = 0, width
    if model.representation_size is not None:
        before, features = width, model.representation_size
    dense = [(before, features)] if before else []
    dense.append((features, num_classes))
    return Size(
        weights=body.weights + sum((i + 1) * o for i, o in dense),
        buffers=body.buffers,
        body_flops=body.flops,
        head_flops=sum(2 * i * o for i, o in dense),
        num_features=width,
    )


def recipe_size(recipe: Recipe, num_classes: int, resolution: int | None = None) -> Size | None:
    """The size of a recipe's network; images of unknown channels are taken for colour."""
    side = resolution or recipe.input.resolution
    return size_of(recipe.model, recipe.input.channels or 3, side, num_classes)


def kept_bytes(recipe: Recipe, num_classes: int) -> int | None:
    """Bytes of one checkpoint: weights, what the optimizer keeps of each, the average if any."""
    size = recipe_size(recipe, num_classes)
    if size is None:
        return None
    kept = NUMBERS_OF_OPTIMIZER[recipe.optimizer.name]
    if recipe.optimizer.name == "sgd" and not recipe.optimizer.momentum:
        kept = 0
    copies = 1 + kept + (recipe.ema is not None)
    return _FLOAT * (size.weights * copies + size.buffers * (1 + (recipe.ema is not None)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Body:
    weights: int
    buffers: int
    flops: int


@dataclass(frozen=True, slots=True)
class _Conv:
    """A convolution without bias and the batch norm behind it; or a pooling, without channels."""

    kernel: int
    stride: int
    channels_in: int = 0
    channels_out: int = 0
    aside: bool = False
    """It reads what the layers before read, so that the image's side stays as they leave it."""


def _of_layers(layers: Sequence[_Conv], side: int) -> _Body:
    weights = buffers = flops = 0
    for layer in layers:
        side = side if layer.aside else -(-side // layer.stride)
        kernel = layer.kernel**2 * layer.channels_in * layer.channels_out
        weights += kernel + 2 * layer.channels_out
        buffers += 2 * layer.channels_out
        flops += 2 * kernel * side**2
    return _Body(weights=weights, buffers=buffers, flops=flops)


def _small(model: Model, channels: int) -> Iterator[_Conv]:
    width = model.width or 0
    yield _Conv(5, 2, channels, width)
    for stage in model.stages or ():
        out = round((model.width or 0) * stage)
        yield _Conv(3, 2, width, out)
        yield _Conv(3, 1, out, out)
        width = out


def _resnet(model: Model, channels: int) -> Iterator[_Conv]:
    """As torchvision builds it: the stride of a wide block is in its second convolution."""
    yield _Conv(7, 2, channels, 64)
    yield _Conv(3, 2)
    before, wide = 64, model.name in _WIDE
    for stage, blocks in enumerate(_BLOCKS[model.name]):
        inner = 64 * 2**stage
        out = inner * (4 if wide else 1)
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            if wide:
                yield _Conv(1, 1, before, inner)
                yield _Conv(3, stride, inner, inner)
                yield _Conv(1, 1, inner, out)
            else:
                yield _Conv(3, stride, before, inner)
                yield _Conv(3, 1, inner, inner)
            if stride > 1 or before != out:
                yield _Conv(1, stride, before, out, aside=True)
            before = out


def _vit(
    channels: int, side: int, patch: int, width: int, depth: int, *, class_token: bool
) -> _Body:
    patches = (side // patch) ** 2
    tokens = patches + class_token
    pixels = channels * patch**2
    of_block = 12 * width**2 + 13 * width  # attention 4 w^2, MLP 8 w^2; biases, two norms
    weights = (pixels + 1) * width + tokens * width + class_token * width
    weights += depth * of_block + 2 * width
    flops = 2 * patches * pixels * width
    flops += depth * (24 * tokens * width**2 + 4 * tokens**2 * width)
    return _Body(weights=weights, buffers=0, flops=flops)
