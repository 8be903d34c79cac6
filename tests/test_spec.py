"""Specs are strict: unknown keys, missing keys and wrong types are all said at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from granctl.errors import MissingInputError, SpecError
from granctl.spec import load_toml, override, parse


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    name: Literal["sgd", "adamw"]
    lr: float
    betas: tuple[float, ...] = (0.9, 0.999)

    def faults(self) -> list[str]:
        return [] if self.lr > 0 else ["lr: must be above 0"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    epochs: int
    optimizer: Optimizer
    images: int | None = None
    tags: tuple[str, ...] = field(default=())


GOOD = {"epochs": 3, "optimizer": {"name": "sgd", "lr": 1}}


def test_good_table_becomes_a_dataclass() -> None:
    """Integers are taken for floats, arrays for tuples; defaults fill the rest."""
    recipe = parse(Recipe, {**GOOD, "tags": ["a"]}, "x.toml")
    assert recipe == Recipe(epochs=3, optimizer=Optimizer(name="sgd", lr=1.0), tags=("a",))
    assert isinstance(recipe.optimizer.lr, float)


def test_all_faults_are_reported_at_once() -> None:
    """Each fault has its place; an unknown key has near matches."""
    table = {"epoch": 3, "optimizer": {"name": "adam", "lr": "fast", "betas": [0.9, "x"]}}
    with pytest.raises(SpecError) as caught:
        parse(Recipe, table, "x.toml")
    assert caught.value.exit_code == 2
    assert caught.value.faults == (
        "epoch: unknown key; did you mean epochs?",
        "epochs: missing",
        "optimizer.name: 'adam' is none of sgd, adamw",
        "optimizer.lr: float was expected, not 'fast'",
        "optimizer.betas[1]: float was expected, not 'x'",
    )


def test_values_are_checked_by_their_class() -> None:
    """What a type cannot say, the class says."""
    with pytest.raises(SpecError, match=r"optimizer\.lr: must be above 0"):
        parse(Recipe, override(GOOD, {"optimizer.lr": -1.0}), "x.toml")


def test_true_is_no_number() -> None:
    """A boolean where a count belongs is a fault."""
    with pytest.raises(SpecError, match="int was expected, not True"):
        parse(Recipe, override(GOOD, {"epochs": True}), "x.toml")


def test_override_leaves_the_table_alone() -> None:
    """Dotted keys reach into a copy."""
    assert override(GOOD, {"optimizer.lr": 2, "a.b": 1})["a"] == {"b": 1}
    assert GOOD["optimizer"] == {"name": "sgd", "lr": 1}


def test_toml_faults_say_the_line(tmp_path: Path) -> None:
    """A file that is not TOML, or not there, is the user's to mend."""
    path = tmp_path / "x.toml"
    with pytest.raises(MissingInputError):
        load_toml(path)
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(SpecError, match="line 2"):
        load_toml(path)
