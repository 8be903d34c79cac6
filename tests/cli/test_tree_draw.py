"""`granctl tree draw` from the command line: pages, pictures, errors, and the page in Chromium."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from headless import CALM, CHROMIUM, act, visit

from granctl.cli.main import run
from granctl.tree.labelmap import LabelMap

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cuts of the 21,843 labels and the page of all of them."""
    folder = tmp_path_factory.mktemp("draw")
    for name, option in (("d5", ["--depth", "5"]), ("d9", ["--depth", "9"])):
        out = str(folder / f"{name}.parquet")
        assert run(["tree", "cut", *option, "--out", out, "--workspace", str(folder)]) == 0
    maps = ["--labels", str(folder / "d5.parquet"), "--labels", str(folder / "d9.parquet")]
    where = ["--out", str(folder / "tree.html"), "--workspace", str(folder)]
    assert run(["tree", "draw", *maps, *where]) == 0
    return folder


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text())
    assert found is not None
    return json.loads(found[1])


# --- what is made ------------------------------------------------------------------------------


def test_draw_writes_a_page_into_the_workspace_once(granctl, workspace_folder: Path) -> None:
    """Stdout is the path in reports/; again: nothing to do, the same path."""
    first = granctl("tree", "draw", "--list", "1k")
    assert first.path.parent == workspace_folder / "reports"
    assert first.path.suffix == ".html"
    second = granctl("tree", "draw", "--list", "1k", "--json")
    assert second.json["path"] == str(first.path)
    assert second.json["made"] is False
    assert (second.json["kind"], second.json["labels"]) == ("report", 1000)
    assert data_of(first.path)["cuts"] == []


def test_a_damaged_drawing_is_drawn_again(granctl) -> None:
    """At the workspace's own place a changed file is replaced."""
    path = granctl("tree", "draw", "--root", "corgi").path
    whole = path.read_bytes()
    path.write_text("cut short")
    assert granctl("tree", "draw", "--root", "corgi", "--json").json["made"] is True
    assert path.read_bytes() == whole


def test_page_has_every_label_and_cut(made: Path) -> None:
    """All 21,843 labels, each below one parent that stands before it; classes as the maps say."""
    data = data_of(made / "tree.html")
    (forest,) = data["forests"]
    assert sum(forest["weights"]) == 21843
    assert len(forest["ids"]) == len(set(forest["ids"]))
    assert all(p < i for i, p in enumerate(forest["parents"]))
    assert [c["name"] for c in data["cuts"]] == ["depth-5", "depth-9"]
    labels = LabelMap.read(made / "d9.parquet")
    cut = data["cuts"][1]
    for node in range(0, len(forest["ids"]), 97):
        if forest["weights"][node]:
            own = labels.classes_of(forest["ids"][node])[0]
            assert cut["class_names"][cut["classes"][node]] == labels.class_names[own]


def test_page_stands_alone(made: Path) -> None:
    """Nothing is fetched: no address but places in the page and an empty icon."""
    text = (made / "tree.html").read_text()
    addresses: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
            names = ("src", "href", "action", "srcset")
            addresses.extend(value or "" for name, value in attrs if name in names)

    Tags().feed(text)
    assert addresses
    assert all(a.startswith("#") or a == "data:," for a in addresses)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", text)
    assert "</script" not in text.partition('id="data">')[2].partition("</script>")[0]


def test_a_root_holds_everything_below_it(granctl, tmp_path: Path) -> None:
    """190 labels lie at or below dog, also those whose first parent lies elsewhere."""
    record = granctl("tree", "draw", "--root", "n02084071", "--json").json
    assert record["labels"] == 190
    forest = data_of(Path(record["path"]))["forests"][0]
    assert forest["ids"][0] == "n02084071"
    assert forest["others"][0].startswith("domestic dog")


def test_widths_can_count_images(granctl, tmp_path: Path) -> None:
    """Counts behind the ids of a list; labels without images are not drawn."""
    counts = tmp_path / "counts.txt"
    counts.write_text("n02084071\t5\nn02121808\t7\nn02120997\t0\n")
    record = granctl("tree", "draw", "--weights", "images", "--list", counts, "--json").json
    assert (record["labels"], record["total"], record["weights"]) == (2, 12, "images")


def test_the_labels_of_the_maps_are_drawn(granctl) -> None:
    """Without --list, a map of the 1k labels draws those; equal maps are one tab."""
    cut = granctl("tree", "cut", "--depth", 6, "--list", "1k").path
    record = granctl("tree", "draw", "--labels", cut, "--labels", cut, "--json").json
    assert record["labels"] == 1000
    assert [c["name"] for c in record["cuts"]] == ["depth-6"]


@pytest.mark.parametrize("shape", ["icicle", "sunburst"])
def test_svg_is_a_picture_of_every_cut(granctl, made: Path, shape: str) -> None:
    """Well-formed, a panel a cut, names and titles in it, no script, no address but SVG's."""
    maps = ("--labels", made / "d5.parquet", "--labels", made / "d9.parquet")
    path = granctl("tree", "draw", *maps, "--format", "svg", "--shape", shape).path
    text = path.read_text()
    tree = ET.fromstring(text)
    captions = [t.text or "" for t in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(c.startswith("depth-") for c in captions) == 2
    assert "animal" in captions
    assert "<title>animal n00015388: " in text
    assert not re.search(r"\bnan\b|\binf\b", text)
    assert text.count("http") == 1
    assert len(text) < 2_000_000


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["--format", "pdf"], 2, "--format: there is no format 'pdf'", "html, svg"),
        (["--shape", "sunbrust"], 2, "there is no shape 'sunbrust'", "did you mean sunburst?"),
        (["--weights", "pixels"], 2, "--weights: there is no weights", "labels, images"),
        (["--weights", "images"], 2, "how many images the labels of '21843' have", "--shards"),
        (["--shards", "s"], 2, "--shards: it has no meaning", "add --weights images"),
        (["--weights", "images", "--shards", "/no"], 2, "/no", "granctl shards build"),
        (["--labels", "/no.parquet"], 2, "label map not found: /no.parquet", "granctl tree cut"),
        (["--list", "22k"], 2, "no label list is named '22k'", ""),
        (["--root", "doggo"], 2, "has no node 'doggo'", ""),
        (["--root", "n09886220"], 2, "has no label at or below n09886220", "--list"),
        (["--taxonomy", "/no.npz"], 2, "taxonomy not found: /no.npz", "granctl tree import"),
    ],
)
def test_bad_input_says_what_and_the_mend(
    granctl, workspace_folder: Path, arguments: list[str], code: int, message: str, hint: str
) -> None:
    """The exit code, what is wrong and the mend; nothing is written."""
    outcome = granctl("tree", "draw", *arguments)
    assert outcome.code == code
    assert message in outcome.err
    assert hint in outcome.err.partition("hint: ")[2]
    assert outcome.out == ""
    assert not (workspace_folder / "reports").exists()


def test_what_is_no_label_map_is_refused(granctl, tmp_path: Path) -> None:
    """Another file under --labels: exit 3, the file."""
    (tmp_path / "map.parquet").write_text("no parquet")
    outcome = granctl("tree", "draw", "--labels", tmp_path / "map.parquet")
    assert outcome.code == 3
    assert "map.parquet" in outcome.err


def test_a_map_of_another_taxonomy_is_refused(granctl, made: Path, tmp_path: Path) -> None:
    """Labels that the taxonomy lacks: exit 3, some of them, the mend."""
    (tmp_path / "pets.csv").write_text("child,parent\ncat,pet\ndog,pet\n")
    pets = granctl("tree", "import", "edges", tmp_path / "pets.csv").path
    outcome = granctl("tree", "draw", "--taxonomy", pets, "--labels", made / "d5.parquet")
    assert outcome.code == 3
    assert "lacks 21843 labels" in outcome.err
    assert "--taxonomy" in outcome.err
    assert granctl("tree", "draw", "--taxonomy", pets, "--json").json["labels"] == 2


def test_out_that_holds_something_else_is_left_alone(granctl, tmp_path: Path) -> None:
    """Another file or a folder under --out: exit 2, unchanged; the same drawing: nothing to do."""
    out = tmp_path / "tree.html"
    out.write_text("mine")
    assert granctl("tree", "draw", "--root", "corgi", "--out", out).code == 2
    assert granctl("tree", "draw", "--root", "corgi", "--out", tmp_path).code == 2
    assert out.read_text() == "mine"
    there = tmp_path / "there.html"
    assert granctl("tree", "draw", "--root", "corgi", "--out", there, "--json").json["made"] is True
    assert (
        granctl("tree", "draw", "--root", "corgi", "--out", there, "--json").json["made"] is False
    )
    inside = granctl("tree", "draw", "--root", "corgi", "--out", out / "tree.html")
    assert inside.code == 2
    assert "cannot write" in inside.err


# --- the page in Chromium ----------------------------------------------------------------------


@needs_chromium
def test_page_opens_zoomed_as_its_address_says(made: Path, tmp_path: Path) -> None:
    """Cut, shape and node from the address; 21,843 labels drawn, the console empty."""
    address = f"{(made / 'tree.html').as_uri()}#cut=depth-9&shape=sunburst&node=n02084071"
    dom, console = visit(address, tmp_path, CALM)
    assert console == []
    assert 'data-ready="yes"' in dom
    assert '<li aria-current="true">dog</li>' in dom
    drawn = re.search(r'<canvas[^>]*data-rendered="(\d+)"', dom)
    assert drawn is not None
    assert int(drawn[1]) >= 10


@needs_chromium
@pytest.mark.parametrize("shape", ["icicle", "sunburst"])
def test_keys_and_clicks_zoom(made: Path, tmp_path: Path, shape: str) -> None:
    """In motion: arrows move, Enter and a click zoom in, Escape and the node in view zoom out."""
    middle = {"icicle": "[.25, .98 / 20 * 4.5]", "sunburst": "[.5, .5]"}[shape]
    script = f"""
      document.querySelector('input[value={shape}]').click(); await wait(100);
      seen.shape = new URLSearchParams(location.hash.slice(1)).get('shape');
      seen.home = path(); key('ArrowDown'); seen.down = detail(); key('Enter'); await wait(500);
      seen.entered = path(); key('Escape'); await wait(500); seen.out = path();
      const at = (x, y) => {{ const r = canvas.getBoundingClientRect();
        const event = {{clientX: r.left + x * r.width, clientY: r.top + y * r.height}};
        canvas.dispatchEvent(new PointerEvent('pointermove', {{...event, bubbles: true}}));
        seen.under = detail();
        canvas.dispatchEvent(new MouseEvent('click', {{...event, bubbles: true}})); }};
      key('ArrowDown'); key('Enter'); await wait(500); key('Home'); await wait(500);
      document.getElementById('theme').click();  // paints the end, if a busy machine left it out
      at(...{middle}); await wait(500); seen.clicked = path()"""
    seen = act(made / "tree.html", script, tmp_path)
    assert seen["shape"] == (None if shape == "icicle" else shape)  # it starts as the icicle
    assert seen["home"] == ["entity"] == seen["out"]
    assert seen["down"].startswith("physical entity")
    assert seen["entered"] == ["entity", "physical entity"]
    if shape == "icicle":
        assert seen["under"].startswith(seen["clicked"][-1])
        assert len(seen["clicked"]) > 3
    else:
        assert seen["under"].startswith("entity")
        assert seen["clicked"] == ["entity"]


@needs_chromium
def test_search_finds_other_names_and_a_cut_recolours(made: Path, tmp_path: Path) -> None:
    """`canis familiaris` finds dog; its class follows the cut that is chosen."""
    script = """
      const input = document.querySelector('.search input');
      input.value = 'Canis familiaris'; input.dispatchEvent(new Event('input'));
      seen.found = [...document.querySelectorAll('.search li')].map(n => n.textContent);
      input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', cancelable: true}));
      await wait(500); seen.path = path(); seen.coarse = detail();
      document.querySelector('input[value="depth-9"]').click(); await wait(50);
      seen.fine = detail(); seen.kept = path().at(-1)"""
    seen = act(made / "tree.html", script, tmp_path)
    assert seen["found"][0].startswith("dog ")
    assert seen["path"][-1] == seen["kept"] == "dog"
    assert "class organism" in seen["coarse"]
    assert "class mammal" in seen["fine"]


@needs_chromium
def test_phone_width_does_not_scroll_sideways(made: Path, tmp_path: Path) -> None:
    """At 390 pixels everything stays inside, in both shapes."""
    script = """
      document.body.style.width = '390px'; document.documentElement.style.width = '390px';
      seen.wide = [];
      for (const shape of ['icicle', 'sunburst']) {
        document.querySelector(`input[value=${shape}]`).click(); await wait(300);
        seen.wide.push(...[...document.querySelectorAll('body *')].filter(n =>
          !n.closest('.visually-hidden') && !n.closest('.skip') && n.tagName !== 'SCRIPT'
          && n.getBoundingClientRect().right > 391).map(n => n.tagName));
      }"""
    assert act(made / "tree.html", script, tmp_path, CALM)["wide"] == []
