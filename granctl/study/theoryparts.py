"""The parts of the theory's page: one a run or sweep, its findings made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean
from typing import Any

from granctl.study.estimates import estimate
from granctl.study.grid import Cell, Column, Grid, grid_html, number, word
from granctl.study.linefigure import LineFigure, figure_html
from granctl.study.theoryasked import changed
from granctl.study.theorylines import (
    FEW,
    contrast_figure,
    ratio_figure,
    readouts_figure,
    sweep_figure,
    time_figure,
    title_of,
)
from granctl.study.theoryread import Made, setting_of
from granctl.study.theorytable import READOUTS, label_spaces, mean_of
from granctl.study.webpage import Part, folded, section
from granctl.study.wording import count, per_cent

_BARS = "Means over seeds; bars are 95 % t-intervals, absent where there is one seed."
_LARGE = 100
"""From here on a ratio is shown without decimals."""
_TITLES = {
    "k": "Number of subclasses, and the ratio",
    "alpha_dagger": "How strong the wrong feature is",
    "samples": "Samples a subclass",
    "rho": "Hard samples in training",
    "classes": "Number of classes",
    "labels": "Label spaces",
}


def parts_of(found: Sequence[Made]) -> list[Part]:
    """One part each, in this order."""
    return [
        _run_part(i, made) if made.vary is None else _sweep_part(i, made)
        for i, made in enumerate(found, 1)
    ]


def _run_part(index: int, made: Made) -> Part:
    name = f"run-{index}"
    contrast, time = contrast_figure(made, f"{name}-errors"), time_figure(made, f"{name}-ratio")
    grid = _grid(made, f"{name}-table", "Every label space of this run.")
    drawn = [figure_html(contrast, f"<b>Errors by read-out.</b> {_BARS}", small=True)]
    if time is not None:
        drawn.append(figure_html(time, f"<b>Ratio over time.</b> {_OVER_TIME}", small=True))
    body = ['<div class="beside">', *drawn, "</div>", grid_html(grid), _origin(made)]
    finding = f"{escape(_setting_words(made))}{' '.join(_contrast(made))}"
    is_contrast = set(label_spaces(made.details)) == {"coarse", "fine"}
    title = "The contrast" if is_contrast else "A run under other labels"
    html = section(name, title, "\n".join(body), finding)
    figures = (contrast,) if time is None else (contrast, time)
    return Part(html=html, figures=figures, grids=(grid,))


_OVER_TIME = (
    "(Response to subclass features) / (response to common ones) over the steps of training, both"
    " axes logarithmic; bold: geometric mean over seeds up to the first one's end; pale: each seed."
)


def _contrast(made: Made) -> list[str]:
    """What each label space came to, in words; of many the hard error alone."""
    spaces = label_spaces(made.details)
    if len(spaces) > FEW:
        errors = {key: mean_of(of["hard"]["max"]) for key, of in spaces.items()}
        each = [f"<b>{escape(k)}</b> {per_cent(e.mean)}" for k, e in errors.items() if e]
        return [f"Hard error (max read-out) by labels: {', '.join(each)}."]
    told = []
    for key, of in spaces.items():
        hard, easy = mean_of(of["hard"]["max"]), mean_of(of["easy"]["max"])
        ratio = mean_of(of["response_ratio"])
        assert hard is not None
        assert easy is not None
        ratio_words = "" if ratio is None else f", ratio {ratio.mean:.3g}"
        told.append(
            f"Labels <b>{escape(key)}</b>: {per_cent(hard.mean)} of hard samples and"
            f" {per_cent(easy.mean)} of easy ones wrong{ratio_words}."
        )
    return told


def _sweep_part(index: int, made: Made) -> Part:
    name = f"{(made.vary or '').replace('_', '-').lower()}-{index}"
    keys = list(label_spaces(made.points[0]))
    alone = keys == ["varied"]
    errors = sweep_figure(made, f"{name}-error", kinds=("hard", "easy") if alone else ("hard",))
    figures: list[tuple[LineFigure, str]] = [(errors, "Error, max read-out.")]
    if made.vary == "k":
        figures.append((ratio_figure(made, f"{name}-ratio"), "Ratio of responses."))
    last = keys[-1]
    said = "Hard error by read-out." if alone else f"Hard error by read-out, {last} labels."
    figures.append((readouts_figure(made, last, f"{name}-readouts"), said))
    grid = _grid(made, f"{name}-table", f"Every value of {made.vary}.")
    drawn = [figure_html(f, f"<b>{said}</b> {_BARS}", small=True) for f, said in figures]
    table = folded("Table", grid_html(grid))
    body = ['<div class="beside">', *drawn, "</div>", table, _origin(made)]
    title = _TITLES.get(made.vary or "", f"Varied: {title_of(made)}")
    html = section(name, title, "\n".join(body), escape(_setting_words(made) + _finding(made)))
    return Part(html=html, figures=tuple(f for f, _ in figures), grids=(grid,))


def _setting_words(made: Made) -> str:
    """`Here samples = 32, width = 512. `; empty where nothing else is at another value."""
    other = _others(made)
    said = ", ".join(f"{n} = {v}" for n, v in other.items())
    return f"Here {said}. " if other else ""


def _others(made: Made) -> dict[str, Any]:
    """The parameters that are neither varied nor at their defaults."""
    setting = setting_of(made.points[0])
    return {n: v for n, v in changed(setting).items() if n != made.vary}


def _finding(made: Made) -> str:
    """What the numbers of a sweep say, by what it varies."""
    keys = list(label_spaces(made.points[0]))
    if made.vary == "k" and "coarse" in keys:
        products = [
            p["value"] * found.mean
            for p in made.points
            if (found := mean_of(p["coarse"]["response_ratio"])) is not None
        ]
        if products:
            return (
                "Under coarse labels k times the ratio of responses lies between"
                f" {min(products):.2f} and {max(products):.2f}."
            )
    key = keys[0]
    text = ("The" if key == "varied" else f"Under {key} labels the") + " hard error (max read-out)"
    text += extremes(made, [label_spaces(p)[key]["hard"]["max"] for p in made.points])
    if made.vary == "classes":
        true = setting_of(made.points[0]).num_subclasses
        text += f" There are {count(true, 'true subclass')}."
    return text


def extremes(made: Made, errors: Sequence[Sequence[float]]) -> str:
    """Where an error is lowest and highest, and whether that can be told from chance.

    Seeds share features, samples and order between the points, so their differences are tested.

    Args:
        made: a sweep.
        errors: fractions, a list a point over the seeds.
    """
    means = [fmean(some) for some in errors]
    low, high = means.index(min(means)), means.index(max(means))
    if means[low] == means[high]:
        return f" is {per_cent(means[low])} at every value of {made.vary}."
    named = [
        f"{per_cent(means[i])} at {made.vary} = {made.points[i]['value']}" for i in (low, high)
    ]
    told = f" lies between {named[0]} and {named[1]}"
    gap = estimate([b - a for a, b in zip(errors[low], errors[high], strict=True)])
    if gap.low is None or gap.high is None:
        return f"{told} (one seed)."
    if not gap.excludes_zero:
        return f"{told}: the 95 % interval of their difference, paired by seed, holds zero."
    ends = f"95 % interval {100 * gap.low:.1f} to {100 * gap.high:.1f}, paired by seed"
    return f"{told}: {100 * gap.mean:.1f} points apart ({ends})."


def _grid(made: Made, name: str, caption: str) -> Grid:
    head = () if made.vary is None else (Column(title=made.vary, name="value", text=True),)
    columns = (
        *head,
        Column(title="labels", name="labels", text=True),
        Column(title="classes", name="classes"),
        Column(title="easy %", name="easy_max"),
        Column(title="hard %", name="hard_max"),
        Column(title="± sd", name="hard_max_sd"),
        *(Column(title=f"hard %: {r}", name=f"hard_{r}") for r in list(READOUTS)[1:]),
        Column(title="ratio", name="response_ratio"),
        Column(title="alignment", name="alignment"),
        Column(title="AUC of loss", name="auc"),
        Column(title="epochs", name="epochs"),
    )
    rows = []
    for point in made.points:
        for of in label_spaces(point).values():
            first = () if made.vary is None else (word(str(point["value"])),)
            rows.append((*first, word(of["labels"]), number(of["classes"]), *_measured(of)))
    seeds = count(len(made.details["seeds"]), "seed")
    told = f"{caption} {_setting_words(made)}Means over {seeds}; read out by max where nothing"
    told += " else is said."
    return Grid(name=name, caption=told, columns=columns, rows=tuple(rows))


def _measured(of: Mapping[str, Any]) -> list[Cell]:
    hard = mean_of(of["hard"]["max"])
    means = [_mean(of["easy"]["max"], "{:.1f}", 100), _mean(of["hard"]["max"], "{:.1f}", 100)]
    means.append(number(hard.sd if hard else None, "{:.1f}", 100))
    means += [_mean(of["hard"][r], "{:.1f}", 100) for r in list(READOUTS)[1:]]
    ratio = mean_of(of["response_ratio"])
    form = "{:,.0f}" if ratio and ratio.mean >= _LARGE else "{:.3g}"
    means += [_mean(of["response_ratio"], form), _mean(of["alignment"], "{:.2f}")]
    return [*means, _mean(of["auc"], "{:.3f}"), _mean(of["epochs"], "{:.0f}")]


def _mean(values: Sequence[float | None], form: str, times: float = 1) -> Cell:
    found = mean_of(values)
    return number(None if found is None else found.mean, form, times)


def _origin(made: Made) -> str:
    """The command, what differs from the defaults, and the conditions that do not hold."""
    said = ", ".join(f"{n} = {v}" for n, v in _others(made).items()) or "none"
    body = [
        f"<pre>{escape(made.command)}</pre>",
        f"<p>Parameters not at their defaults: {escape(said)}.</p>",
    ]
    if warnings := made.details["warnings"]:
        lines = "".join(f"<li>{escape(line)}</li>" for line in warnings)
        body.append(f"<p>Conditions of the theorems that do not hold:</p><ul>{lines}</ul>")
    return folded("How it was made, and which conditions of the theorems hold", "\n".join(body))
