"""Public models of timm as networks that others start from: their weights, input and digest."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from granctl import spec
from granctl.errors import (
    BadOptionError,
    MissingInputError,
    PublicWeightsMissingError,
    UnknownModelError,
    UnknownPublicModelError,
    WeightsDoNotFitError,
    near,
)
from granctl.progress import Progress
from granctl.provenance import digest, plain
from granctl.train import models, timmodels
from granctl.train.architecture import TIMM, Model
from granctl.train.recipe import Input, Recipe, load_recipe, recipe_of, settings

PREFIX = "timm:"
PUBLIC_RECIPE = "vit-b16-in21k"
"""Whose tables say how a public model is trained on a target, unless another is named."""
FAMILY = "public"


@dataclass(frozen=True, kw_only=True, eq=False)
class PublicModel:
    """A model of timm with public weights; they are read when they are asked for."""

    name: str
    """timm's, with the tag of its weights: resnet10t.c3_in1k."""
    weights: Path | None
    """A file of them; None: timm's own cache or download."""
    base: Recipe
    """Of which the tables of transfers are used."""

    @classmethod
    def of_option(cls, text: str, recipe: str | None = None) -> PublicModel:
        """The model that `timm:NAME` or `timm:NAME=FILE` means.

        Args:
            text: as it was given to --init.
            recipe: a name or a TOML file; None: that of public models.

        Raises:
            BadOptionError: it is of another form.
            UnknownPublicModelError: timm has no such model, or no such weights of it.
            MissingExtraError: timm is not installed.
            MissingInputError: there is no such file.
            UnknownRecipeError: there is no such recipe.
        """
        name, equals, file = text.removeprefix(PREFIX).partition("=")
        if not text.startswith(PREFIX) or not name or bool(equals) != bool(file):
            problem = f"{text!r} is not timm:NAME or timm:NAME=FILE"
            raise BadOptionError("--init", problem, "such as timm:resnet50.a1_in1k")
        path = Path(file).expanduser() if equals else None
        if path is not None and not path.is_file():
            raise MissingInputError("weights", path, "give the file of a state dict of this model")
        named = _full_name(name)
        return cls(name=named, weights=path, base=load_recipe(recipe or PUBLIC_RECIPE))

    @property
    def label(self) -> str:
        """As it is given to --init, without a file."""
        return f"{PREFIX}{self.name}"

    @cached_property
    def recipe(self) -> Recipe:
        """What to build and to show it, as `Run.recipe`; trainings are those of `base`."""
        return dataclasses.replace(
            self.base, model=Model(name=f"{TIMM}{self.name}"), input=_input(self.name)
        )

    def recipe_with(self, method: str, pairs: Sequence[str]) -> Recipe:
        """The recipe with values of the method's table changed.

        Raises:
            BadOptionError: an option that would change the network.
            SpecError: a value that cannot be.
        """
        changes = settings(pairs)
        if others := [key for key in changes if not key.startswith(f"{method}.")]:
            problem = f"{others[0]} is no value of --method {method}"
            raise BadOptionError("--set", problem, f"such as {method}.steps=100")
        table: dict[str, Any] = plain(self.recipe)
        return recipe_of(spec.override(table, changes), "the recipe with --set")

    @cached_property
    def digest(self) -> str:
        """Identity: the model, every number of its weights, and what it is shown."""
        known = {"kind": FAMILY, "model": self.name, "weights": self.weights_digest}
        return digest({**known, "input": plain(self.recipe.input)})

    @cached_property
    def weights_digest(self) -> str:
        """Sha256 over names, types, shapes and bytes of the body's weights, by name.

        The head is no part of it; the form of the file is none either.
        """
        hasher = hashlib.sha256()
        for name, tensor in sorted(self._state.items()):
            array = tensor.contiguous().numpy()
            hasher.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            hasher.update(array.tobytes())
        return hasher.hexdigest()

    @property
    def source(self) -> dict[str, Any]:
        """What a result says of where it started: no cut, no classes, no pretraining of ours."""
        nothing = ("classes_total", "classes_present", "labels_digest", "run_seed", "recipe")
        return {
            "cut": self.label,
            "method": FAMILY,
            "params": {},
            **dict.fromkeys(nothing),
            "run_digest": self.digest,
            "images_seen": None,
            "init": self.label + (f"={self.weights.absolute()}" if self.weights else ""),
            "weights_digest": self.weights_digest,
        }

    def network(self, progress: Progress) -> Any:
        """The network with these weights, on the CPU, without the head of its pretraining.

        Raises:
            PublicWeightsMissingError: they are not on this machine and cannot be downloaded.
            WeightsDoNotFitError: the file holds those of another model.
        """
        progress.note(f"weights of {PREFIX}{self.name}: sha256 {self.weights_digest[:12]}")
        network = self._empty()
        network.body.load_state_dict(self._state)
        return network

    def _empty(self) -> Any:
        recipe = self.recipe
        return models.build(
            recipe.model,
            channels=recipe.input.channels or 3,
            resolution=recipe.input.resolution,
            num_classes=1,
            seed=0,
        )

    @cached_property
    def _state(self) -> Mapping[str, Any]:
        """The body's weights by name."""
        wanted = self._empty().body.state_dict()
        if self.weights is None:
            return _downloaded(self.name)
        given = _read(self.weights)
        heads = tuple(f"{name}." for name in _heads(self.name))
        body = {key: t for key, t in given.items() if key in wanted or not key.startswith(heads)}
        faults = [f"{key} is missing" for key in wanted if key not in body]
        faults += [f"{key} is of no use" for key in body if key not in wanted]
        faults += [
            f"{key} is {tuple(body[key].shape)}, not {tuple(wanted[key].shape)}"
            for key in wanted
            if key in body and body[key].shape != wanted[key].shape
        ]
        if faults:
            raise WeightsDoNotFitError(self.weights, f"{PREFIX}{self.name}", faults)
        return body


def _full_name(name: str) -> str:
    """The name with the tag of the weights that timm takes for it."""
    try:
        timm = timmodels.check(Model(name=f"{TIMM}{name}"))
    except UnknownModelError as error:
        import timm.models as known

        like = [f"{PREFIX}{one}" for one in near(name, known.list_models())]
        raise UnknownPublicModelError(f"{PREFIX}{name}", like) from error
    try:
        config = timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:  # it knows the model, and no such tag
        model = name.partition(".")[0]
        tags = timm.list_pretrained(f"{model}.*")
        raise UnknownPublicModelError(
            f"{PREFIX}{name}", [f"{PREFIX}{one}" for one in tags]
        ) from error
    if config is None or not config.tag:
        return name
    return f"{config.architecture}.{config.tag}"


def _input(name: str) -> Input:
    """What the model was shown: side, crop, mean and deviation of timm's pretrained_cfg.

    As timm.data.create_transform does: short side = floor(side / crop_pct), then the centre.
    """
    import timm

    config = timm.models.get_pretrained_cfg(name)
    if config is None:
        raise UnknownPublicModelError(f"{PREFIX}{name}", [])
    side = int(config.input_size[-1])
    return Input(
        resolution=side,
        channels=3,
        eval_resize=max(side, math.floor(side / (config.crop_pct or 1.0))),
        mean=tuple(float(value) for value in config.mean),
        std=tuple(float(value) for value in config.std),
    )


def _heads(name: str) -> tuple[str, ...]:
    """Names of the layers that make classes; a distilled model has two."""
    import timm

    found = getattr(timm.models.get_pretrained_cfg(name), "classifier", None) or ()
    return (found,) if isinstance(found, str) else tuple(found)


def _downloaded(name: str) -> Mapping[str, Any]:
    import timm

    try:
        body = timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError) as error:  # no network, no such file; no weights of this model
        raise PublicWeightsMissingError(f"{PREFIX}{name}", error) from error
    found: Mapping[str, Any] = body.state_dict()
    return found


def _read(path: Path) -> Mapping[str, Any]:
    """A state dict, of safetensors or torch; nothing but numbers is loaded."""
    from timm.models import load_state_dict

    try:
        found: Mapping[str, Any] = load_state_dict(str(path), device="cpu", weights_only=True)
        if not all(hasattr(tensor, "shape") for tensor in found.values()):
            raise TypeError("it is no state dict")
    except Exception as error:  # what a reader of damaged bytes raises depends on the bytes
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsDoNotFitError(path, "any model", [f"it cannot be read: {first[0]}"]) from error
    return found
