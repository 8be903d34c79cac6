"""How fast recipes train on devices that somebody timed: read as facts from data_manifests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from granctl import spec
from granctl.train.recipe import Recipe, load_recipe, recipe_names
from granctl.train.sizes import recipe_size
from granctl.workspace import embedded

RATES_NAME = "rates.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """Images a second of one device in training."""

    device: str
    images_per_second: float
    origin: str
    """Who says so."""


def rate_of(recipe: Recipe, asked: float | None) -> Rate | None:
    """The rate that was asked for, else the known one of a recipe's name; None: nobody timed it.

    A known rate is scaled by the operations of an image, where the study changes the network or
    its images.
    """
    if asked is not None:
        return Rate(device="device", images_per_second=asked, origin="--rate")
    known = _known().get(recipe.name)
    if known is None or recipe.name not in recipe_names():
        return None
    theirs = load_recipe(recipe.name)  # timed on images like ours, where it does not say
    channels = theirs.input.channels or recipe.input.channels
    theirs = replace(theirs, input=replace(theirs.input, channels=channels))
    timed, ours = recipe_size(theirs, 0), recipe_size(recipe, 0)
    if timed is None or ours is None:
        return None
    factor = timed.body_flops / ours.body_flops
    if factor == 1:
        return known
    return Rate(
        device=known.device,
        images_per_second=known.images_per_second * factor,
        origin=f"{known.origin}; scaled by operations",
    )


def _known() -> dict[str, Rate]:
    path = embedded(RATES_NAME)
    tables = spec.load_toml(path)
    return {name: spec.parse(Rate, table, f"{path} [{name}]") for name, table in tables.items()}
