"""Settings that cannot be, and conditions of the theorems that do not hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from granctl.theory.conditions import CONDITIONS, unfitted, unmet
from granctl.theory.labels import LabelSpace, label_space
from granctl.theory.setting import Setting


def spaces(setting: Setting, *words: str) -> list[LabelSpace]:
    found = [label_space(word, setting) for word in words]
    return [space for space in found if isinstance(space, LabelSpace)]


def test_the_working_regime_is_the_papers_file() -> None:
    """The defaults that the numbers of the documentation are of."""
    x = Setting()
    assert (x.d, x.P, x.s, x.k, x.num_samples, x.width, x.batch) == (64, 8, 2, 8, 1600, 128, 128)
    assert x.sigma_zeta == 0.5 / 8
    assert x.faults() == []
    assert unmet(x, spaces(x, "coarse", "fine")) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"k": 32}, "d: 66 orthonormal features need more than 64"),
        ({"P": 3}, "P: an easy sample has 2 patches on each of 2 levels, 4 in all"),
        ({"P": 4}, "P: a hard sample has 5 patches with a part to play, and there are 4"),
        ({"s_dagger": 3}, "s_dagger: 3 of the s = 2 common patches"),
        ({"k": 0}, "k: 0 is below 1"),
        ({"superclasses": 1}, "superclasses: 1 is below 2"),
        ({"between": (3,)}, "between: 8 nodes of a superclass do not divide among 3"),
        ({"between": (0,)}, "between: 0 nodes"),
        ({"missing": 2}, "missing: hard samples can lack 1 to 1 of the 2 levels, not 2"),
        ({"iota": 1.5}, "iota: 1.5 is not in [0, 1]"),
        ({"rho": -0.1}, "rho: -0.1 is not in [0, 1]"),
        ({"rho": float("nan")}, "rho: not a number"),
        ({"noise": -1.0}, "noise: -1.0 is below 0"),
        ({"noise": float("inf")}, "noise: not finite"),
        ({"step": 0.0}, "step: 0.0 is not above 0"),
        ({"step": float("nan")}, "step: nan is not above 0"),
        ({"init": 0.0}, "init: 0.0 is not above 0"),
        ({"bias": 0.5}, "bias: 0.5 is above 0"),
        ({"epochs": 0}, "epochs: 0 is below 1"),
    ],
)
def test_what_cannot_be_is_a_fault(changed: dict[str, Any], why: str) -> None:
    """Each with the numbers that contradict."""
    assert any(fault.startswith(why) for fault in Setting(**changed).faults())


@pytest.mark.parametrize(
    ("changed", "condition"),
    [
        ({"rho": 0.01}, "easy training samples only"),
        ({"noise": 1.5, "sigma_star": 3.0}, "small noise"),
        ({"sigma_star": 0.4}, "a much larger noise in hard samples"),
        ({"alpha_dagger": 0.9}, "a weak wrong feature"),
        ({"alpha_dagger": 0.1}, "a wrong feature that outweighs 1/k"),
        ({"k": 2}, "a wrong feature that outweighs 1/k"),
        ({"init": 0.2}, "small initial weights"),
        ({"samples": 63}, "enough samples a subclass"),
        ({"width": 90}, "enough neurons"),
    ],
)
def test_an_unmet_condition_is_named(changed: dict[str, Any], condition: str) -> None:
    """It alone, since the working regime meets all others."""
    setting = Setting(**changed)
    assert setting.faults() == []
    (told,) = unmet(setting, spaces(setting, "coarse", "fine"))
    assert told.startswith(f'condition "{condition}" fails: ')


def test_every_condition_can_fail() -> None:
    """The test above has each of them."""
    assert len(CONDITIONS) == 7


def test_a_loss_that_stayed_is_told() -> None:
    """With the number of seeds, and how far it was."""
    told = unfitted(Setting(), "sample", [{"loss": 0.5}, {"loss": 0.009}])
    assert told is not None
    assert "sample ended above stop_loss = 0.01 for 1 of 2 seeds (up to 0.5)" in told
    assert unfitted(Setting(), "sample", [{"loss": 0.01}]) is None


def test_every_parameter_is_in_the_manual() -> None:
    """docs/commands/theory.md lists each with its default."""
    from pathlib import Path

    manual = (Path(__file__).parents[2] / "docs" / "commands" / "theory.md").read_text()
    for field in fields(Setting):
        assert f"| `{field.name}` | {_as_typed(field.default)} |" in manual


def _as_typed(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else f"{value}"
