"""Networks of timm, which granctl[timm] installs: any of them by name, with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from granctl.errors import BadOptionError, MissingExtraError, UnknownModelError, near
from granctl.train.architecture import TIMM, Model

if TYPE_CHECKING:
    from torch import nn


def make(model: Model, channels: int, resolution: int) -> tuple[nn.Module, int]:
    """The body of one of timm's models, and how many features it gives.

    Args:
        model: timm/NAME; `dropout` is timm's drop_rate, `stochastic_depth` its drop_path_rate.
        channels: of the images.
        resolution: their side; told to models that are made for one.

    Raises:
        MissingExtraError: timm is not installed.
        UnknownModelError: it has no model of that name.
        BadOptionError: it cannot make that model so.
    """
    timm = check(model)
    name = model.timm_name
    config = timm.models.get_pretrained_cfg(name)
    options: dict[str, Any] = {"drop_rate": model.dropout}
    if model.stochastic_depth:
        options["drop_path_rate"] = model.stochastic_depth
    if config is not None and config.fixed_input_size:
        options["img_size"] = resolution
    try:
        body = timm.create_model(
            name, pretrained=False, num_classes=0, in_chans=channels, **options
        )
    except (TypeError, ValueError, AssertionError) as error:
        said = str(error) or type(error).__name__
        problem = f"timm cannot make {name} for {resolution} pixels: {said}"
        raise BadOptionError("model", problem, "another resolution or another model") from error
    return body, int(getattr(body, "head_hidden_size", None) or body.num_features)


def check(model: Model) -> Any:
    """The package timm, if it is installed and has this model; None if the model is not timm's.

    Raises:
        MissingExtraError: timm is not installed.
        UnknownModelError: it has no model of that name.
    """
    if not model.is_timm:
        return None
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError(f"model {model.name}", "timm") from error
    if not timm.is_model(model.timm_name):
        like = near(model.timm_name, timm.list_models())
        raise UnknownModelError(model.name, [f"{TIMM}{name}" for name in like])
    return timm
