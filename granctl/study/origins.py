"""How it was measured and where each number comes from, as sections of the report's page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from granctl.provenance import digest, short
from granctl.study.figures import panel_title
from granctl.study.lineage import Step
from granctl.study.results import Result
from granctl.study.summary import Panel
from granctl.study.webpage import section
from granctl.study.wording import count


def measured_section(panel: Panel) -> str:
    """Images, seeds, steps and recipe of one panel; several values where results differ."""
    results = [r for point in panel.points for r in point.results]
    pretrained = [r["source"] for r in results if r.get("source")]
    facts = {
        "test images": _values(results, "n") + f" ({_values(results, 'split')} split)",
        "target classes": _values(results, "num_classes"),
        "labelled images for training": _values(results, "train_images"),
        "resolution, pixels": _values(results, "resolution"),
        "steps of the transfer": _values(results, "steps"),
        "images seen in the transfer": _values(results, "images_seen"),
        "recipe": _values(pretrained, "recipe"),
        "images seen in pretraining": _values(pretrained, "images_seen"),
        "computed on": _values(results, "computed"),
        "seeds": _values(results, "seed"),
    }
    for point in panel.points:
        if point.classes_present is not None and point.num_pretraining_runs < point.top1.n:
            runs = count(point.num_pretraining_runs, "pretraining run")
            facts[f"seeds of {point.cut}"] = f"{point.top1.n} transfers from {runs}"
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return f'<h3>{escape(panel_title(panel))}</h3><dl class="facts">{items}</dl>'


def _values(records: Sequence[Mapping[str, Any]], key: str) -> str:
    found = sorted(r[key] for r in records if r.get(key) is not None)
    if not found:
        return "not recorded"
    return ", ".join(f"{v:,}" if isinstance(v, int) else str(v) for v in dict.fromkeys(found))


def lineage_sections(panels: Sequence[Panel], lineages: Mapping[str, Sequence[Step]]) -> str:
    """Every result with the steps to it; a spec stands once, others but for its seed link to it.

    Args:
        panels: the comparisons.
        lineages: digest of a result -> the steps to it.
    """
    shown: set[str] = set()
    body = "\n".join(_of_panel(i, panel, lineages, shown) for i, panel in enumerate(panels))
    told = (
        "Every number is one file, made by the commands below. Digests are shortened to 12 digits;"
        " the specs are as they were resolved."
    )
    return section("lineage", "Where each number comes from", body, told)


def _of_panel(
    index: int, panel: Panel, lineages: Mapping[str, Sequence[Step]], shown: set[str]
) -> str:
    parts = [f"<h3>{escape(panel_title(panel))}</h3>"]
    for i, point in enumerate(panel.points):
        inner = "\n".join(_result(r, lineages[r["digest"]], shown) for r in point.results)
        summary = f"<b>{escape(point.cut)}</b>: {count(point.top1.n, 'result')}"
        parts.append(
            f'<details id="from-{index}-{i}"><summary>{summary}</summary>{inner}</details>'
        )
    return "\n".join(parts)


def _result(result: Result, steps: Sequence[Step], shown: set[str]) -> str:
    score = f"{100 * result['top1']:.2f} %"
    if "correct" in result:
        score += f" ({result['correct']:,} of {result['n']:,})"
    inner = "".join(_step(step, shown) for step in steps)
    return f"<details><summary>seed {result['seed']}: <b>{score}</b></summary>{inner}</details>"


def _step(step: Step, shown: set[str]) -> str:
    command = (
        f"<pre>{escape(step.command)}</pre>"
        if step.command
        else "<p>Its record was not found; the digest is what the next step read.</p>"
    )
    inputs = "".join(
        f"<p>from {escape(role)} <code title='{escape(d)}'>{escape(short(d))}</code></p>"
        for role, d in step.inputs.items()
    )
    path = f"<p><code>{escape(step.path)}</code></p>" if step.path else ""
    head = f"{step.what} <code>{escape(short(step.digest))}</code>"
    return f'<div class="step"><h4>{head}</h4>{command}{path}{inputs}{_spec(step, shown)}</div>'


def _spec(step: Step, shown: set[str]) -> str:
    """The spec, or a link to the same one but for its seed, which stands once on the page."""
    if step.spec is None:
        return ""
    seed = step.spec.get("seed")
    found = digest({key: value for key, value in step.spec.items() if key != "seed"})
    place = f"spec-{short(found)}"
    if found in shown:
        told = "" if seed is None else f", with seed {escape(str(seed))}"
        return f'<p><a href="#{place}">its spec</a>{told}</p>'
    shown.add(found)
    text = json.dumps(step.spec, indent=1, sort_keys=True, ensure_ascii=False)
    return f'<details id="{place}"><summary>spec</summary><pre>{escape(text)}</pre></details>'
