"""What a training is, apart from data and seed: frozen tables, read from TOML; loads no torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from granctl import spec
from granctl.errors import BadOptionError, UnknownRecipeError
from granctl.train.architecture import Model
from granctl.train.schedule import Schedule

RECIPES = Path(__file__).parent.parent / "recipes"
MOST_MAGNITUDE = 30.0
DEFAULT_RECIPE = "embedded-resnet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimizer:
    """The optimizer of one training."""

    name: Literal["adamw", "adam", "sgd"]
    lr: float
    """Peak learning rate, at the batch size of the recipe."""
    weight_decay: float = 0.0
    """Decoupled and times the learning rate for adamw (torch's unit), an L2 gradient for adam and
    sgd; on matrices and convolutions only, unless `decay_all`."""
    decay_all: bool = False
    """Decay biases and norms too."""
    layer_decay: float | None = None
    """Each layer's rate as a multiple of that of the layer above it, see train/layers.py; None:
    one rate for all."""
    betas: tuple[float, ...] = (0.9, 0.999)
    """adamw and adam."""
    momentum: float = 0.9
    """sgd."""
    nesterov: bool = False
    """sgd."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = [] if self.lr > 0 else [f"lr: {self.lr} is not positive"]
        if self.weight_decay < 0:
            found.append(f"weight_decay: {self.weight_decay} is negative")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            found.append(f"layer_decay: {self.layer_decay} is not above 0 and at most 1")
        if len(self.betas) != 2:
            found.append("betas: two numbers were expected")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Augment:
    """How a training image is changed; each choice follows from (seed, epoch, position)."""

    kind: Literal["none", "shift", "resized-crop"] = "none"
    """shift: pad by `pad` pixels and crop back, for small images; resized-crop: a random area and
    aspect ratio (the Inception crop), for photographs."""
    pad: int = 2
    """shift: pixels on each side."""
    flip: bool = True
    """Mirror every second image, by chance."""
    scale: tuple[float, ...] = (0.08, 1.0)
    """resized-crop: share of the image's area, least and most."""
    ratio: tuple[float, ...] = (0.75, 4 / 3)
    """resized-crop: width over height, least and most."""
    rand_ops: int = 0
    """RandAugment: operations an image, after crop and flip; 0: none."""
    rand_magnitude: float = 9.0
    """Their strength, 0 to 30."""
    mixup: float = 0.0
    """alpha of Beta(alpha, alpha) by which two images are blended; 0: none."""
    cutmix: float = 0.0
    """alpha by which a part of one image is put into another; 0: none. With both, each pair of
    images takes one of them."""
    mix_share: float = 1.0
    """Share of the images that are mixed."""
    erase: float = 0.0
    """Share of the images of which a random rectangle is erased."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = [
            f"{name}: {getattr(self, name)} is not in 0..1"
            for name in ("mixup", "cutmix", "mix_share", "erase")
            if not 0 <= getattr(self, name) <= 1
        ]
        for name in ("scale", "ratio"):
            pair = getattr(self, name)
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                found.append(f"{name}: two positive numbers, least and most, were expected")
        if self.rand_ops < 0:
            found.append(f"rand_ops: {self.rand_ops} is negative")
        if not 0 <= self.rand_magnitude <= MOST_MAGNITUDE:
            found.append(f"rand_magnitude: {self.rand_magnitude} is not in 0..{MOST_MAGNITUDE:g}")
        if self.pad < 0:
            found.append(f"pad: {self.pad} is negative")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """What a network is shown."""

    resolution: int
    """Side of the square image in pixels."""
    channels: Literal[1, 3] | None = None
    """1 grey, 3 colour; None: as the first training image is."""
    eval_resize: int | None = None
    """Short side before the centre crop when no augmentation crops; None: the resolution."""
    mean: tuple[float, ...] = (0.5,)
    """Subtracted from pixels in 0..1; one number, or one a channel."""
    std: tuple[float, ...] = (0.5,)
    """Then divided by."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = [] if self.resolution > 0 else [f"resolution: {self.resolution} is not positive"]
        if min(self.std, default=0) <= 0:
            found.append("std: positive numbers were expected")
        if {len(self.mean), len(self.std)} - {1, self.channels or 3}:
            found.append("mean and std: one number, or one a channel, was expected")
        if self.eval_resize is not None and self.eval_resize < self.resolution:
            found.append("eval_resize: smaller than the resolution")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """One way to train on a target: what differs from the pretraining."""

    optimizer: Optimizer
    schedule: Schedule = field(default_factory=Schedule)
    steps: int
    """Steps of the whole training, whatever the number of images."""
    batch_size: int
    """Images a step; all of them where the target has fewer."""
    head_rate: float = 1.0
    """Learning rate of the head as a multiple of the optimizer's: it starts from nothing."""
    clip: float | None = None
    """Largest norm of the gradient; None: not clipped."""
    augment: Augment | None = None
    """None: the recipe's."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes; cross-entropy only."""
    resolution: int | None = None
    """Side of the image, where it differs from the pretraining's; the positions of ViTs are
    interpolated then. None: the same."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = _not_positive(self, "steps", "batch_size")
        if self.resolution is not None and self.resolution < 1:
            found.append(f"resolution: {self.resolution} is not positive")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe(Transfer):
    """How linear heads are trained on frozen features: a grid of them, see train/linear.py."""

    rates: tuple[float, ...] | None = None
    """Learning rates that are tried; None: .03 to 100 times the optimizer's, eight of them."""
    decays: tuple[float, ...] | None = None
    """Weight decays that are tried with each rate; None: 0, .01, .1, 1 and 10 times the
    optimizer's."""
    most_epochs: int = 50
    """Passes over the images at the most, where they are more than 1,000 steps; `--steps` stands
    above it."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = [*Transfer.faults(self), *_not_positive(self, "most_epochs")]
        if self.rates is not None and (not self.rates or min(self.rates) <= 0):
            found.append("rates: positive numbers were expected, at least one")
        if self.decays is not None and (not self.decays or min(self.decays) < 0):
            found.append("decays: numbers from 0 were expected, at least one")
        if self.clip is not None:
            found.append("clip: gradients of heads are not clipped")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A whole training: pretraining, and the three ways to train on a target."""

    name: str
    """The file's name, without .toml."""
    about: str
    """One sentence: what it is for and where it is from."""
    model: Model
    input: Input
    optimizer: Optimizer
    schedule: Schedule = field(default_factory=Schedule)
    epochs: int
    batch_size: int
    """Images a step."""
    loss: Literal["auto", "cross-entropy", "sigmoid", "levels", "marginal"] = "auto"
    """auto: levels with `--also`, marginal with `--fine`; else sigmoid where a label that is
    present has several classes, and cross-entropy where none has."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes of a softmax; not used by sigmoid."""
    clip: float | None = None
    """Largest norm of the gradient; None: not clipped."""
    accumulate: int = 1
    """Parts of a step of each process, whose gradients are added up: less memory, the same step."""
    ema: float | None = None
    """Decay a step of the moving average of the weights, which is then what is used; None: the
    last weights are."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products and convolutions; weights are float32 in any case. auto: bfloat16 where a
    CUDA device computes it."""
    augment: Augment = field(default_factory=Augment)
    order: Literal["full", "blocks"] = "full"
    """Of the images of an epoch. full: any image may follow any other; blocks: mixed in groups of
    64 blocks of 256 neighbours, for disks that are slow to find a place."""
    finetune: Transfer
    """The whole network, with a new head that starts at zero."""
    scratch: Transfer
    """The same network from random weights."""
    linear: Probe
    """A new head on frozen features."""

    def faults(self) -> list[str]:
        """What the types cannot say."""
        found = _not_positive(self, "epochs", "batch_size", "accumulate")
        if self.ema is not None and not 0 < self.ema < 1:
            found.append(f"ema: {self.ema} is not between 0 and 1")
        patch = self.model.patch_side
        for name, side in (
            ("input", self.input.resolution),
            ("finetune", self.finetune.resolution),
            ("scratch", self.scratch.resolution),
            ("linear", self.linear.resolution),
        ):
            if patch and side and side % patch:
                problem = f"{side} is no multiple of the {patch} pixels of a patch"
                found.append(f"{name}.resolution: {problem} of {self.model.name}")
        if self.linear.optimizer.layer_decay is not None:
            found.append("linear.optimizer.layer_decay: a head alone has no layers")
        return found

    def at_resolution(self, side: int | None) -> Recipe:
        """The recipe with images of another side; what is cropped from grows with it."""
        if side is None or side == self.input.resolution:
            return self
        before = self.input
        resize = before.eval_resize and round(before.eval_resize * side / before.resolution)
        return replace(self, input=replace(before, resolution=side, eval_resize=resize))


def _not_positive(value: Any, *names: str) -> list[str]:
    return [f"{n}: {getattr(value, n)} is not positive" for n in names if getattr(value, n) < 1]


def recipe_names() -> list[str]:
    """The recipes that come with granctl."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by name, or from a TOML file, with dotted keys set.

    Raises:
        UnknownRecipeError: no recipe has that name, and no file.
        SpecError: unknown keys, wrong types or values; all of them.

    Example:
        >>> load_recipe("embedded-resnet", {"optimizer.lr": 0.5}).optimizer.lr
        0.5
    """
    path = _file_of(name_or_path)
    table = {"name": path.stem, **spec.load_toml(path)}
    return recipe_of(spec.override(table, overrides or {}), f"recipe {name_or_path}")


def recipe_text(name_or_path: str) -> str:
    """The file of a recipe, with its comments: the sources stand there.

    Raises:
        UnknownRecipeError: no recipe has that name, and no file.
    """
    return _file_of(name_or_path).read_text().rstrip("\n")


def recipe_sentences() -> dict[str, str]:
    """What each recipe that comes with granctl is for, by name."""
    return {name: load_recipe(name).about for name in recipe_names()}


def _file_of(name_or_path: str) -> Path:
    if name_or_path in recipe_names():
        return RECIPES / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if not path.is_file():
        raise UnknownRecipeError(name_or_path, recipe_names())
    return path


def recipe_of(table: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from a table, as a run's spec.json holds it.

    Raises:
        SpecError: it is none.
    """
    return spec.parse(Recipe, table, where)


def settings(pairs: Sequence[str], *, epochs: int | None = None) -> dict[str, Any]:
    """`["optimizer.lr=0.1"]` as {"optimizer.lr": 0.1}: values as in TOML, else a bare word.

    `epochs`, where given, is one more of them.

    Raises:
        BadOptionError: no equals sign.

    Example:
        >>> settings(["optimizer.name=sgd", "augment.flip=false", "clip=1"])
        {'optimizer.name': 'sgd', 'augment.flip': False, 'clip': 1}
    """
    found: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise BadOptionError("--set", f"{pair!r} is not KEY=VALUE", "such as optimizer.lr=0.1")
        try:
            found[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = text.strip()
    return found
