"""The parts of the page in headless Chromium: drawn, reached by keys, sorted, narrow, alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from headless import CALM, CHROMIUM, act, narrow

from granctl.workspace import Artefact

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def page(rich_report: Artefact) -> Path:
    """The page with every part."""
    return rich_report.path / "report.html"


def test_every_figure_is_drawn_and_reached_by_keys(page: Path, tmp_path: Path) -> None:
    """Figures have all their dots; a figure is one stop of Tab, arrows go on, the readout tells."""
    script = """
      await wait(300);
      const figures = [...document.querySelectorAll('figure.lines')];
      seen.figures = figures.length;
      seen.drawn = figures.map(f => [Number(f.querySelector('.plot').dataset.rendered),
        JSON.parse(f.querySelector('script').textContent).lines.flatMap(l => l.dots).length]);
      const first = document.getElementById('figure-methods-1');
      const dots = [...first.querySelectorAll('.dot')];
      seen.stops = dots.filter(d => d.getAttribute('tabindex') === '0').length;
      const press = (k) => document.activeElement.dispatchEvent(
        new KeyboardEvent('keydown', {key: k, bubbles: true, cancelable: true}));
      const told = () => first.querySelector('.readout').textContent;
      dots[0].focus(); seen.home = told(); press('ArrowRight'); seen.right = told();
      press('End'); seen.end = told(); press('Home'); seen.back = told();
      seen.keys = [...first.querySelectorAll('.keys li')].map(n => n.textContent)"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["figures"] == 8
    assert all(drawn == dots > 0 for drawn, dots in seen["drawn"])
    assert seen["stops"] == 1
    assert seen["home"].startswith("fine-tuned: depth-1, 2 classes, top-1 33.33 %")
    assert seen["right"].startswith("fine-tuned: leaf, 6 classes, top-1 83.33 %")
    assert seen["end"].startswith("linear probe: leaf")
    assert seen["back"] == seen["home"]
    assert seen["keys"] == ["fine-tuned", "linear probe"]


def test_a_result_leads_to_the_spec_of_its_run(page: Path, tmp_path: Path) -> None:
    """A spec stands once; others but for their seed link to it, and the link opens it."""
    script = """
      const links = [...document.querySelectorAll('.step a[href^="#spec-"]')];
      seen.links = links.length;
      const target = document.querySelector(links[0].getAttribute('href'));
      seen.before = target.checkVisibility() && target.open;
      location.hash = links[0].getAttribute('href'); await wait(200);
      seen.after = target.open && target.querySelector('pre').checkVisibility()"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["links"] == 13
    assert not seen["before"]
    assert seen["after"]


def test_tables_of_parts_sort_and_are_in_the_address(page: Path, tmp_path: Path) -> None:
    """A click on a heading sorts a part's table as it does a panel's."""
    script = """
      const table = document.getElementById('table-alignment-1');
      const names = () => [...table.tBodies[0].rows].map(r => r.cells[0].textContent);
      const click = (i) => table.tHead.rows[0].cells[i].querySelector('button').click();
      click(3); seen.down = names(); click(3); seen.up = names(); seen.hash = location.hash;
      seen.sorted = table.tHead.rows[0].cells[3].getAttribute('aria-sort')"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["down"] == ["leaf", "depth-1"]
    assert seen["up"] == ["depth-1", "leaf"]
    assert seen["sorted"] == "ascending"
    assert "ascending" in seen["hash"]


def test_at_360_pixels_nothing_scrolls_sideways(page: Path, tmp_path: Path) -> None:
    """All folds open, 360 pixels wide: only tables scroll, in their own regions."""
    script = """
      document.querySelectorAll('details').forEach(d => { d.open = true; });
      await wait(600);
      const wide = [...document.querySelectorAll('body *')].filter(n => !n.closest('.scroll')
        && !n.closest('.visually-hidden') && !n.closest('.skip') && n.tagName !== 'SCRIPT'
        && n.getBoundingClientRect().right > 361);
      seen.wide = wide.map(n => n.tagName + '.' + n.className).slice(0, 5);
      seen.window = innerWidth; seen.page = document.documentElement.scrollWidth;
      seen.plots = [...document.querySelectorAll('.plot svg')].map(n => n.viewBox.baseVal.width)"""
    seen = narrow(page, 360, script, tmp_path)
    assert seen["window"] == 360
    assert seen["page"] <= 360
    assert seen["wide"] == []
    assert seen["plots"]
    assert max(seen["plots"]) <= 330


def test_the_page_loads_nothing_and_changes_its_colours(page: Path, tmp_path: Path) -> None:
    """No resource is asked for, not even by a figure; the button goes from system to dark."""
    script = """
      await wait(300);
      seen.loads = performance.getEntriesByType('resource').map(e => e.name)
        .filter(name => !name.startsWith('data:'));
      const paper = () => getComputedStyle(document.body).backgroundColor;
      const button = document.getElementById('theme');
      button.click(); seen.light = paper(); button.click(); seen.dark = paper();
      seen.told = button.textContent; seen.smooth = getComputedStyle(document.documentElement)
        .scrollBehavior"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["loads"] == []
    assert seen["light"] == "rgb(251, 250, 246)"
    assert seen["dark"] == "rgb(22, 20, 18)"
    assert seen["told"] == "Colours: dark"
    assert seen["smooth"] == "auto"
