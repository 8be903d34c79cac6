"""Published numbers beside ours: matched by target, method, list and level, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up_study import fake_result

from granctl.study.grid import grid_files, grid_records
from granctl.study.published import published_part, published_tables
from granctl.study.summary import summarise
from granctl.tree.cuts import level_cut, nodes_of_labels
from granctl.tree.lists import load_list
from granctl.tree.store import embedded_wordnet


def of_level(level: int, classes: int, top1: float, **others: Any) -> dict[str, Any]:
    """A result of ImageNet-21k at a level, finetuned on ImageNet-1k."""
    target = others.pop("target", "in1k@leaf")
    record = fake_result(
        cut=f"level-{level}",
        method="level",
        classes=classes,
        top1=top1,
        target=target,
        num_classes=1000,
        per_class=others.pop("per_class", None),
        **others,
    )
    params = {"level": level, "list": "21843", "policy": "all"}
    return {**record, "source": {**record["source"], "params": params}}


def alone(top1: float) -> dict[str, Any]:
    return fake_result(cut=None, target="in1k@leaf", num_classes=1000, top1=top1, per_class=None)


def test_our_levels_stand_beside_the_paper() -> None:
    """Level 1 and the target alone find their rows; the others have no number of ours."""
    panels = summarise([of_level(1, 5995, 0.8), of_level(1, 5995, 0.81, seed=1), alone(0.77)])
    part = published_part(panels)
    assert part is not None
    rows = {row["pretraining"]: row for row in grid_records(part.grids[0])}
    assert len(rows) == 7
    assert rows["level 1"]["top1"] == pytest.approx(0.805)
    assert rows["level 1"]["difference"] == pytest.approx(0.805 - 0.8128)
    assert rows["level 1"]["seeds"] == 2
    assert rows["IN1k only"]["difference"] == pytest.approx(0.77 - 0.7791)
    assert rows["level 9"]["top1"] is None
    assert rows["level 9"]["top1_published"] == 0.7275
    assert [name for name, row in rows.items() if row["known"] == "memory"] == ["level 4"]
    assert "arXiv:2303.16887" in part.html
    files = grid_files(part.grids[0])
    assert "| level 1 | stated | 5,995 | 5,995 | 81.28 | 80.50 |" in files["published-1.md"]


@pytest.mark.parametrize(
    "others",
    [
        {"target": "embedded@leaf"},
        {"how": "linear"},
        {"target": "in1k-v2@leaf"},
        {"per_class": 10},
    ],
)
def test_other_experiments_have_no_such_table(others: dict[str, Any]) -> None:
    """Another target, another method or fewer images is not the paper's experiment."""
    assert published_part(summarise([of_level(1, 5995, 0.8, **others)])) is None


def test_another_list_is_another_experiment() -> None:
    """Levels over the 1,000 labels themselves are not those of ImageNet-21k."""
    record = of_level(1, 500, 0.8)
    source = {**record["source"], "params": {"level": 1, "list": "1k", "policy": "all"}}
    assert published_part(summarise([{**record, "source": source}])) is None


def test_published_classes_are_those_of_our_cuts() -> None:
    """The counts of the facts come out of the cuts: the published levels are ours."""
    (table,) = published_tables()
    taxonomy = embedded_wordnet()
    nodes = nodes_of_labels(taxonomy, load_list("21843").ids, "the list 21843")
    for row in table.row:
        if row.level is not None:
            cut = level_cut(taxonomy, nodes, row.level)
            assert len(np.unique(cut.values)) == row.classes
