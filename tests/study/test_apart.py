"""Pairs of sources: differences, their intervals, the seeds that would tell; all as JSON types."""

from __future__ import annotations

import json

import pytest
from made_up_study import u_curve

from granctl.study.apart import bootstrap, every_pair, to_references
from granctl.study.evidence import statistics_record
from granctl.study.statistics import seeds_to_tell
from granctl.study.summary import TARGET_ALONE, Panel, difference, summarise


@pytest.fixture(scope="module")
def panel() -> Panel:
    """The made-up study on one target: seven sources and the target alone, three seeds."""
    records = [{**r, "path": f"/results/{i}"} for i, r in enumerate(u_curve())]
    return summarise(records)[0]


def test_every_pair_has_the_seeds_that_would_tell_it_apart(panel: Panel) -> None:
    """As many pairs as there are; each with the paired difference that the table has."""
    pairs = every_pair(panel)
    num = len(panel.points)
    assert len(pairs) == num * (num - 1) // 2
    point = {p.cut: p for p in panel.points}
    for pair in pairs:
        gap = difference(point[pair.first].results, point[pair.second].results)
        assert gap is not None
        assert pair.difference == gap
        assert pair.seeds_needed == seeds_to_tell(gap)
        assert pair.bootstrap is not None
        assert pair.bootstrap.low <= gap.mean <= pair.bootstrap.high


def test_references_are_the_finest_cut_and_the_target_alone(panel: Panel) -> None:
    """Every source less the leaf cut, then every source less training on the target alone."""
    found = to_references(panel)
    assert [p.second for p in found[: len(panel.points) - 1]] == ["leaf"] * (len(panel.points) - 1)
    assert {p.second for p in found[len(panel.points) - 1 :]} == {TARGET_ALONE}
    assert all(p.first != p.second for p in found)


def test_a_bootstrap_interval_lies_inside_its_values() -> None:
    """Wider than the plain percentiles, never beyond the values; the same at each call."""
    values = [0.01, 0.02, 0.05, 0.03, -0.01]
    found = bootstrap(values)
    assert min(values) <= found.low < sum(values) / 5 < found.high <= max(values)
    assert found == bootstrap(values)
    assert found.covers_at_most == 1 - 2**-4


def test_the_record_is_json(panel: Panel) -> None:
    """Shapes by family, the best source, differences, pairs: all of JSON's types."""
    record = json.loads(json.dumps(statistics_record(panel)))
    assert set(record["shapes"]["taxonomy"]) >= {"curvature", "turn", "turn_low", "is_u"}
    assert record["best"]["plausible"][0] == max(panel.points, key=lambda p: p.top1.mean).cut
    assert record["pairs"][0]["difference"]["n"] == 3
    assert len(record["to_references"]) == 2 * (len(panel.points) - 1)
