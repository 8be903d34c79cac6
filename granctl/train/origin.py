"""A network with weights that others start from: a run, or a public model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.errors import BadOptionError
from granctl.train.public import PREFIX, PublicModel
from granctl.train.runs import Run

Origin = Run | PublicModel
"""Both have `name`, `digest`, `recipe` (model, input, precision, ways to train on a target) and
`network(progress)`."""


def open_origin(run: Path | None, init: str | None, recipe: str | None = None) -> Origin:
    """The network that `--run` or `--init` means.

    Args:
        run: the folder of a run.
        init: `timm:NAME` or `timm:NAME=FILE`.
        recipe: with `init`: whose tables say how it is trained on a target.

    Raises:
        BadOptionError: both, or neither, were given.
        GranctlError: there is no such run or model, or it is damaged.
    """
    check_one(run, init)
    if init is not None:
        return PublicModel.of_option(init, recipe)
    assert run is not None  # checked
    return Run.open(run)


def check_one(run: object | None, init: object | None) -> None:
    """Checks that a network is named once.

    Raises:
        BadOptionError: both, or neither, were given.
    """
    if run is None and init is None:
        raise BadOptionError("--run", "it is missing", "give --run or --init timm:NAME")
    if run is not None and init is not None:
        raise BadOptionError("--init", "it stands in place of --run", "give one of them")


def named_origins(names: Sequence[str]) -> tuple[Origin, ...]:
    """Runs by their folders, public models by `timm:NAME` or `timm:NAME=FILE`.

    Raises:
        GranctlError: as `open_origin`.
    """
    return tuple(
        open_origin(None, name) if name.startswith(PREFIX) else open_origin(Path(name), None)
        for name in names
    )
