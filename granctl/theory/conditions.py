"""The theorems' conditions: which of them a setting or a training does not meet.

The theorems are asymptotic; here each condition has the plain form that docs/theory.md gives it,
so that the working regime of the paper's model meets all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from granctl.theory.labels import LabelSpace
from granctl.theory.setting import Setting


def _only_easy(x: Setting) -> str | None:
    return f"rho = {x.rho:g} of the training samples are hard" if x.rho > 0 else None


def _small_noise(x: Setting) -> str | None:
    return f"noise = {x.noise:g} is as long as a feature or longer" if x.noise >= 1 else None


def _large_star(x: Setting) -> str | None:
    if 0 < x.sigma_star <= x.noise:
        return f"sigma_star = {x.sigma_star:g} does not exceed noise = {x.noise:g}"
    return None


def _weak_piece(x: Setting) -> str | None:
    top = x.alpha_dagger + x.alpha_dagger_spread
    low = (1 - x.iota) ** 0.5
    if top >= low:
        return f"alpha_dagger reaches {top:g}, and a feature's own strength begins at {low:.3g}"
    if x.alpha_dagger_spread > x.alpha_dagger:
        return "alpha_dagger - alpha_dagger_spread is below 0"
    return None


def _wrong_outweighs(x: Setting) -> str | None:
    pull = x.alpha_dagger * x.s_dagger / x.s
    if pull <= 1 / x.k:
        return f"alpha_dagger s_dagger / s = {pull:.3g} does not exceed 1/k = {1 / x.k:.3g}"
    return None


def _small_init(x: Setting) -> str | None:
    return f"init = {x.init:g} is above 0.1 of a feature" if x.init > 0.1 else None


def _enough_samples(x: Setting) -> str | None:
    return f"samples = {x.samples} a subclass, fewer than d = {x.d}" if x.samples < x.d else None


CONDITIONS: dict[str, Callable[[Setting], str | None]] = {
    "easy training samples only": _only_easy,
    "small noise": _small_noise,
    "a much larger noise in hard samples": _large_star,
    "a weak wrong feature": _weak_piece,
    "a wrong feature that outweighs 1/k": _wrong_outweighs,
    "small initial weights": _small_init,
    "enough samples a subclass": _enough_samples,
}
"""Name -> what a setting does not meet, or None."""


def unmet(setting: Setting, spaces: list[LabelSpace]) -> list[str]:
    """A sentence for each condition that does not hold, which it names.

    Example:
        >>> unmet(Setting(), [])
        []
        >>> unmet(Setting(init=0.5), [])
        ['condition "small initial weights" fails: init = 0.5 is above 0.1 of a feature']
    """
    found = [(name, told) for name, check in CONDITIONS.items() if (told := check(setting))]
    for space in spaces:
        each = setting.width // space.classes
        if each < math.log2(setting.d):
            told = f"{space.word} has {each} neurons a class, fewer than log2 d"
            found.append(("enough neurons", f"{told} = {math.log2(setting.d):.3g}"))
    return [f'condition "{name}" fails: {told}' for name, told in found]


def unfitted(setting: Setting, word: str, records: Sequence[dict[str, Any]]) -> str | None:
    """The condition of a small training loss, known after training; None where it holds."""
    over = [r["loss"] for r in records if r["loss"] > setting.stop_loss]
    if not over:
        return None
    return (
        f'condition "small training loss" fails: {word} ended above stop_loss = '
        f"{setting.stop_loss:g} for {len(over)} of {len(records)} seeds (up to {max(over):.3g})"
    )
