"""The theory's figures as values: contrast, ratio over time, what a sweep varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from granctl.study.linefigure import Axis, Dot, Line, LineFigure, Rule
from granctl.study.theoryread import Made, setting_of
from granctl.study.theorytable import READOUTS, label_spaces, mean_of

X_TITLES = {
    "k": "subclasses of a superclass, k",
    "alpha_dagger": "strength of the wrong common feature, alpha_dagger",
    "samples": "training samples a subclass",
    "rho": "share of hard samples in training, rho, %",
    "classes": "classes that are trained on",
    "labels": "label space",
    "noise": "length of a patch's noise, noise",
    "s_dagger": "patches with a weak wrong feature, s_dagger",
    "sigma_star": "length of the noisy patch, sigma_star",
}
_LOG_FROM = 8
"""A parameter whose values span so many times is drawn on a logarithmic axis."""
FEW = 2
"""Label spaces of which easy errors are drawn beside hard ones, and all is told in words."""
_APART = 0.1
"""How far label spaces stand apart at one read-out."""


def contrast_figure(made: Made, name: str) -> LineFigure:
    """Error by read-out, a colour a label space; of many label spaces on hard samples alone."""
    spaces = label_spaces(made.details)
    lines = []
    for colour, (key, of) in enumerate(spaces.items()):
        shift = _APART * (colour - (len(spaces) - 1) / 2)
        for shape, kind in enumerate(("hard", "easy") if len(spaces) <= FEW else ("hard",)):
            dots = [_dot(i + shift, of[kind][r], 100) for i, r in enumerate(READOUTS, 1)]
            lines.append(_line(f"{key}, {kind}", dots, colour, shape, joined=False))
    ticks = tuple(float(i) for i in range(1, len(READOUTS) + 1))
    return LineFigure(
        name=name,
        title="Errors by read-out",
        x=Axis(title="read-out", ticks=ticks, labels=tuple(READOUTS)),
        y=Axis(title="error, %"),
        lines=tuple(lines),
    )


def time_figure(made: Made, name: str) -> LineFigure | None:
    """The response ratio over the steps: means over seeds, each seed pale, 1/k as a rule.

    None where no network answers to any feature: there is no ratio to draw.
    """
    lines: list[Line] = []
    for colour, (key, of) in enumerate(label_spaces(made.details).items()):
        histories = [
            made.history(made.details, of["labels"], seed) for seed in made.details["seeds"]
        ]
        if len(histories) > 1:
            each = [_over_steps([history]) for history in histories]
            lines += [_line(f"{key}, a seed", dots, colour, 0, thin=True) for dots in each]
        lines.append(_line(key, _over_steps(histories), colour, colour, marks="last"))
    drawn = tuple(line for line in lines if line.dots)
    if not drawn:
        return None
    k = setting_of(made.details).k
    return LineFigure(
        name=name,
        title="Response to subclass features over response to common ones, while training",
        x=Axis(title="steps of training", log=True),
        y=Axis(title="response ratio", log=True),
        lines=drawn,
        rules=(Rule(name=f"1/k = {1 / k:.3g}", y=1 / k),),
    )


def _over_steps(histories: Sequence[Mapping[str, Any]]) -> list[Dot | None]:
    """The mean over seeds of the logarithm, up to the step at which the first of them ended."""
    last = min(h["step"][-1] for h in histories)
    steps = sorted({s for h in histories for s in h["step"] if 0 < s <= last})
    curves = []
    for history in histories:
        known = [(s, r) for s, r in zip(history["step"], history["response_ratio"], strict=True)]
        kept = [(s, r) for s, r in known if r]
        if not kept:
            return []
        at, ratios = zip(*kept, strict=True)
        curves.append(np.interp(steps, at, np.log(ratios)))
    means = np.exp(np.mean(curves, axis=0))
    return [Dot(x=float(s), y=float(m)) for s, m in zip(steps, means, strict=True)]


def ratio_figure(made: Made, name: str) -> LineFigure:
    """Of a sweep over k: the final ratio of every label space, and the line 1/k."""
    lines, ks = [], [float(p["value"]) for p in made.points]
    for colour, key in enumerate(_keys(made)):
        dots = [_dot(k, of["response_ratio"], 1) for k, of in _along(made, key)]
        if all(dot is None or dot.y > 0 for dot in dots):
            lines.append(_line(key, dots, colour, colour))
    lines.append(_line("1/k", [Dot(x=k, y=1 / k) for k in sorted(ks)], 6, 2, marks="none"))
    return LineFigure(
        name=name,
        title="Ratio of responses at the end of training, beside 1/k",
        x=Axis(title=X_TITLES["k"], log=True, ticks=tuple(sorted(ks))),
        y=Axis(title="response ratio", log=True),
        lines=tuple(lines),
    )


def sweep_figure(made: Made, name: str, *, kinds: Sequence[str] = ("hard",)) -> LineFigure:
    """Error by the max read-out over what is varied: a line a label space, or a kind of one."""
    curves = [(key, kind) for key in _keys(made) for kind in kinds]
    lines = []
    for i, (key, kind) in enumerate(curves):
        dots = [_dot(x, of[kind]["max"], 100) for x, of in _along(made, key)]
        said = key if len(kinds) == 1 else f"{kind} samples"
        lines.append(_line(said, dots, i, i, joined=_is_number(made)))
    top = max(d.y if d.high is None else d.high for line in lines for d in line.dots)
    lines += _marks(made, top)
    return LineFigure(
        name=name,
        title=f"{' and '.join(kinds).capitalize()} error over {title_of(made)} (max read-out)",
        x=_axis(made),
        y=Axis(title="error, %" if len(kinds) > 1 else "hard error, %"),
        lines=tuple(lines),
    )


def readouts_figure(made: Made, key: str, name: str) -> LineFigure:
    """Hard error of one label space over what is varied: a colour a read-out."""
    lines = []
    for i, (readout, said) in enumerate(READOUTS.items()):
        dots = [_dot(x, of["hard"][readout], 100) for x, of in _along(made, key)]
        lines.append(_line(said, dots, i, i, joined=_is_number(made)))
    labels = "" if key == "varied" else f" under {key} labels"
    return LineFigure(
        name=name,
        title=f"Hard error{labels} over {title_of(made)}, by read-out",
        x=_axis(made),
        y=Axis(title="hard error, %"),
        lines=tuple(lines),
    )


def _marks(made: Made, top: float) -> list[Line]:
    """Vertical lines: the true subclasses; where the wrong feature outweighs the ratio."""
    setting = setting_of(made.points[0])
    if made.vary == "classes":
        true = setting.num_subclasses
        return [_upright(f"the true {true} subclasses", true, top)]
    if made.vary == "alpha_dagger" and setting.s_dagger and "coarse" in _keys(made):
        found = [of["response_ratio"] for _, of in _along(made, "coarse")]
        ratio = mean_of([r for ratios in found for r in ratios])
        x = 0.0 if ratio is None else ratio.mean * setting.s / setting.s_dagger
        if x > 0:  # a logarithmic axis has no place for others
            return [_upright("coarse ratio x s / s_dagger", x, top)]
    return []


def _upright(name: str, x: float, top: float) -> Line:
    return _line(name, [Dot(x=x, y=0.0), Dot(x=x, y=top)], 6, 2, marks="none")


def title_of(made: Made) -> str:
    """What is varied, in a few words."""
    return X_TITLES.get(made.vary or "", made.vary or "").removesuffix(", %")


def _axis(made: Made) -> Axis:
    title = X_TITLES.get(made.vary or "", made.vary or "")
    xs = [_position(made, i) for i in range(len(made.points))]
    if _is_number(made):
        log = min(xs) > 0 and max(xs) / min(xs) >= _LOG_FROM
        return Axis(title=title, log=log, ticks=tuple(sorted(xs)) if log else ())
    labels = tuple(str(p["value"]) for p in made.points)
    return Axis(title=title, ticks=tuple(xs), labels=labels)


def _is_number(made: Made) -> bool:
    return all(type(p["value"]) in (int, float) for p in made.points)


def _position(made: Made, index: int) -> float:
    """Where a point stands on the axis: its value (shares in per cent), else its number."""
    if not _is_number(made):
        return float(index + 1)
    return float(made.points[index]["value"]) * (100 if made.vary == "rho" else 1)


def _keys(made: Made) -> list[str]:
    return list(dict.fromkeys(key for point in made.points for key in label_spaces(point)))


def _along(made: Made, key: str) -> list[tuple[float, Mapping[str, Any]]]:
    """Position and measures of one label space, from left to right."""
    found = [
        (_position(made, i), spaces[key])
        for i, point in enumerate(made.points)
        if key in (spaces := label_spaces(point))
    ]
    return sorted(found, key=lambda pair: pair[0])


def _dot(x: float, values: Sequence[float | None], times: float) -> Dot | None:
    """Mean and 95 % t-interval over seeds; None where a seed has no number."""
    found = mean_of(values)
    if found is None:
        return None
    low = None if found.low is None else times * found.low
    high = None if found.high is None else times * found.high
    return Dot(x=x, y=times * found.mean, low=low, high=high)


def _line(
    name: str,
    dots: Sequence[Dot | None],
    colour: int,
    shape: int,
    *,
    marks: Literal["all", "last", "none"] = "all",
    joined: bool = True,
    thin: bool = False,
) -> Line:
    return Line(
        name=name,
        dots=tuple(dot for dot in dots if dot is not None),
        colour=colour % 8,
        shape=shape % 4,
        marks="none" if thin else marks,
        joined=joined,
        thin=thin,
    )
