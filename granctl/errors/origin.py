"""Faults of networks that others start from, and of what is measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors.root import DataError, UserError, did_you_mean, listing

_PUBLIC = "give their file: --init timm:NAME=FILE (the model.safetensors of huggingface.co/timm)"


class UnknownPublicModelError(UserError):
    """A public model, or weights of one, that timm does not have."""

    def __init__(self, given: str, like: Sequence[str]) -> None:
        super().__init__(
            f"--init {given}: timm has no such model or weights",
            did_you_mean(like[:4], 'names: python -c "import timm; print(timm.list_pretrained())"'),
        )


class PublicWeightsMissingError(UserError):
    """Public weights that are neither on this machine nor within its reach."""

    def __init__(self, given: str, reason: Exception) -> None:
        said = (str(reason).strip().splitlines() or [type(reason).__name__])[0]
        super().__init__(
            f"--init {given}: its weights are not on this machine and cannot be had: {said}",
            f"run it once where there is a network, with the same HF_HOME; or {_PUBLIC}",
        )


class WeightsDoNotFitError(DataError):
    """A file with weights of another model, or with none."""

    def __init__(self, path: Path, given: str, faults: Sequence[str]) -> None:
        super().__init__(
            f"{path} does not hold the weights of {given}: {listing(faults)}",
            "give a state dict of this very model, named as timm.create_model(NAME).state_dict()"
            " does, of safetensors or torch.save",
        )


class NothingToProbeError(UserError):
    """A label map under which nothing of a representation can be measured."""

    def __init__(self, labels: str, split: str, classes: int) -> None:
        super().__init__(
            f"under {labels} the {split} images have {classes} classes with training images: two or"
            " more are to be told apart",
            "give a finer map with --labels, or leave it out: then every label is a class",
        )
