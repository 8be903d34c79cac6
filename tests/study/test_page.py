"""The page in headless Chromium: no console error, drawings drawn, sorting, zooming, searching."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from headless import CALM, CHROMIUM, act, visit

from granctl.progress import Silent
from granctl.study.report import report_of
from granctl.workspace import Workspace

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def page(whole_study: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the made-up study."""
    out = tmp_path_factory.mktemp("page") / "report"
    return report_of(whole_study, [], out, Silent())[0].path / "report.html"


def names_in(dom: str, table: int) -> list[str]:
    body = dom.split(f'id="table-{table}"')[1].split("<tbody>")[1].split("</tbody>", maxsplit=1)[0]
    return re.findall(r'<a href="#from-[^"]*">([^<]*)</a>', body)


def test_page_draws_without_console_error(page: Path, tmp_path: Path) -> None:
    """Both curves have their eight sources, the icicle its labels, the console nothing."""
    dom, console = visit(page.as_uri(), tmp_path, CALM)
    assert console == []
    assert 'data-ready="yes"' in dom
    assert dom.count('class="curve" data-rendered="8"') == 2
    drawn = re.search(r'<canvas[^>]*data-rendered="(\d+)"', dom)
    assert drawn is not None
    assert int(drawn[1]) >= 15
    assert dom.count('class="dot"') == 14


def test_console_errors_would_be_seen(page: Path, tmp_path: Path) -> None:
    """The check above can fail: an error thrown in the page reaches it."""
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("</body>", "<script>nothing.at.all</script></body>"))
    _, console = visit(broken.as_uri(), tmp_path / "profile", CALM)
    assert any("nothing is not defined" in line for line in console)


def test_address_sorts_a_table(page: Path, tmp_path: Path) -> None:
    """`#sort=0:2:descending` sorts the first table by top-1 and leaves the second."""
    dom, _ = visit(f"{page.as_uri()}#sort=0:2:descending", tmp_path, CALM)
    assert names_in(dom, 0)[:3] == ["leaf", "kmeans-40", "kmeans-160"]
    assert names_in(dom, 0)[-1] == "random-like-leaf"
    assert names_in(dom, 1)[0] == "depth-5"
    assert len(re.findall(r'<th[^>]*aria-sort="descending"', dom)) == 1


def test_clicks_sort_a_table_both_ways(page: Path, tmp_path: Path) -> None:
    """A heading sorts down, then up; where there is no number the row stays last."""
    script = """
      const links = () => [...document.querySelectorAll('#table-0 tbody a')];
      const names = () => links().map(a => a.textContent);
      const click = (i) => document.querySelectorAll('#table-0 thead button')[i].click();
      click(1); seen.down = names(); click(1); seen.up = names(); click(0); seen.name = names();
      seen.hash = location.hash"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["down"][0] == "kmeans-160"
    assert seen["up"][0] == "depth-5"
    assert seen["down"][-1] == seen["up"][-1] == "target alone"
    assert seen["name"][:2] == ["depth-5", "depth-6"]
    assert "sort=0%3A0%3Aascending" in seen["hash"]


def test_icicle_zooms_by_keyboard(page: Path, tmp_path: Path) -> None:
    """Arrows move, Enter zooms in, Escape out, Home shows all."""
    script = """
      seen.home = path().at(-1);
      key('ArrowDown'); seen.down = detail(); key('ArrowRight'); seen.right = detail();
      key('ArrowLeft'); key('Enter'); seen.entered = path(); seen.hash = location.hash;
      key('Escape'); seen.out = path().at(-1);
      key('Escape'); seen.above = path().at(-1); key('Home'); seen.back = path().at(-1)"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["home"] == seen["out"] == seen["back"] == "artifact"
    assert seen["down"].startswith("covering")
    assert "9 labels" in seen["down"]
    assert "class covering" in seen["down"]
    assert seen["right"].startswith("instrumentality")
    assert seen["entered"][-2:] == ["artifact", "covering"]
    assert "node=n03122748" in seen["hash"]
    assert seen["above"] == "whole"


def test_icicle_finds_by_name_and_changes_the_cut(page: Path, tmp_path: Path) -> None:
    """Search goes to a node; another cut colours the same tree; clusters have their own."""
    script = """
      const input = document.querySelector('.search input');
      input.value = 'sand'; input.dispatchEvent(new Event('input'));
      seen.found = [...document.querySelectorAll('.search li')].map(n => n.textContent);
      input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', cancelable: true}));
      seen.detail = detail(); seen.path = path();
      document.querySelector('input[value="leaf"]').click(); seen.kept = path();
      document.querySelector('input[value="kmeans-40"]').click(); seen.clusters = detail()"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["found"] == ["sandal 1 label"]
    assert seen["detail"].startswith("sandal")
    assert seen["path"][-1] == seen["kept"][-1] == "shoe"
    assert "800 images" in seen["clusters"]
    assert "40 classes inside" in seen["clusters"]


def test_address_opens_a_cut_and_a_node(page: Path, tmp_path: Path) -> None:
    """`#cut=depth-7&node=...` opens that cut zoomed to that node."""
    dom, _ = visit(f"{page.as_uri()}#cut=depth-7&node=n03122748", tmp_path, CALM)
    assert '<li aria-current="true">covering</li>' in dom
    assert "depth-7: 5 classes shown of 5." in dom


def test_tables_are_whole_and_the_band_is_named_on_its_line(page: Path, tmp_path: Path) -> None:
    """On a desktop nothing of a table is hidden, and no curve runs through the band's name."""
    script = """
      await wait(300);
      const tables = [...document.querySelectorAll('.scroll:has([id^="table-"])')];
      seen.hidden = tables.map(n => n.scrollWidth - n.clientWidth);
      const bands = [...document.querySelectorAll('.curve .name')].filter(
        n => n.textContent.startsWith('target alone'));
      seen.off = bands.map(n => Math.round(Math.abs(Number(n.getAttribute('y'))
        - Number([...n.closest('svg').querySelectorAll('line')].at(-1).getAttribute('y1')))))"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["hidden"] == [0, 0]
    assert seen["off"]
    assert all(pixels in (5, 14) for pixels in seen["off"])


def test_phone_width_does_not_scroll_sideways(page: Path, tmp_path: Path) -> None:
    """At 390 pixels only the tables scroll, inside their own region; curves keep their names."""
    script = """
      document.body.style.width = '390px'; document.documentElement.style.width = '390px';
      await new Promise(r => setTimeout(r, 300));
      const wide = [...document.querySelectorAll('body *')].filter(n => !n.closest('.scroll')
        && !n.closest('.visually-hidden') && !n.closest('.skip') && n.tagName !== 'SCRIPT'
        && n.getBoundingClientRect().right > 391);
      seen.wide = wide.map(n => n.tagName + '.' + n.className).slice(0, 5);
      seen.drawn = document.querySelector('.curve svg').getAttribute('viewBox')"""
    seen = act(page, script, tmp_path, CALM)
    assert seen["wide"] == []
    assert int(seen["drawn"].split()[2]) < 390
