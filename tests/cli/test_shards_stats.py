"""`granctl shards stats` from the command line, and its contact sheet in Chromium."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from generated_images import encoded, write_source
from headless import CALM, CHROMIUM, act, visit
from PIL import Image

from granctl.cli.main import run
from granctl.tree.labelmap import LabelMap

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
LABELS = ("n02084071", "n02121808", "n02374451", "a<b>&'c", "<script>alert(1)")
SIZES = (12, 20, 30, 60, 90)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of 5 labels of 3 to 11 images, and the page of all of them."""
    root = tmp_path_factory.mktemp("sheet")
    for i, (label, size) in enumerate(zip(LABELS, SIZES, strict=True)):
        for split, num in (("train", 2 + 2 * i), ("val", 1)):
            folder = root / "source" / split / label
            folder.mkdir(parents=True)
            for j in range(num):
                suffix = (".png", ".jpg", ".webp")[j % 3]
                (folder / f"{j}{suffix}").write_bytes(encoded(100 * i + j, suffix, size))
    where = ["--workspace", str(root / "w"), "--quiet"]
    assert run(["shards", "build", "--source", str(root / "source"), *where]) == 0
    assert run(["shards", "stats", "--sheet", str(root / "sheet.html"), *where]) == 0
    return root


def png(side: int, data: bytes) -> bytes:
    """A PNG whose checksums hold, with any bytes for its pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@pytest.fixture
def page(made: Path) -> str:
    return (made / "sheet.html").read_text()


def pictures(page: str) -> list[Image.Image]:
    """The images in the page."""
    data = re.findall(r"src='data:image/webp;base64,([^']+)'", page)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in data]


# --- numbers ------------------------------------------------------------------------------------


def test_numbers_of_a_set(granctl, tmp_path):
    """A table and bars on stderr, the path on stdout; JSON has each number a split."""
    source = write_source(tmp_path / "s")
    for j in range(6):
        (source / f"train/n00000001/more{j}.png").write_bytes(encoded(200 + j))
    built = granctl("shards", "build", "-q", "--source", source).path
    shown = granctl("shards", "stats")
    assert shown.path == built
    assert "images a label: least, most" in shown.err
    assert "train: images a label (labels)" in shown.err
    assert "█" in shown.err
    record = granctl("shards", "stats", "-q", "--json").json
    train = record["splits"]["train"]
    assert (record["images"], train["images"], train["labels"]) == (30, 24, 6)
    assert train["largest"] == {"label": "n00000001", "images": 9}
    assert train["images_per_label"]["max"] == 9
    assert 5 < train["images_per_label"]["effective"] < 6
    assert train["width"]["median"] == 16
    assert train["bytes"]["total"] == sum(p.stat().st_size for p in source.glob("train/*/*"))
    assert sum(b["images"] for b in train["short_sides"]) == 24


def test_classes_of_a_label_map_are_counted(granctl, tmp_path):
    """Under a map of two classes both labels and classes have lines."""
    source = write_source(tmp_path / "s")
    labels = tuple(sorted(p.name for p in (source / "train").iterdir()))
    path = tmp_path / "map.parquet"
    LabelMap.from_single(
        labels,
        np.array([0, 0, 0, 0, 1, 1]),
        class_ids=("a", "b"),
        class_names=("a", "b"),
        method="toy",
        params={"list": "toy"},
    ).write(path)
    granctl("shards", "build", "-q", "--source", source, "--labels", path)
    found = granctl("shards", "stats")
    assert "classes with images" in found.err
    record = granctl("shards", "stats", "-q", "--json").json["splits"]["train"]
    assert (record["classes"], record["images_per_class"]["max"]) == (2, 12)


# --- the page -----------------------------------------------------------------------------------


def test_page_has_images_of_every_class(page):
    """Each label with its name, counts and at most 8 images, those with most images first."""
    assert page.count("<section class='class'") == 5
    assert len(pictures(page)) == 3 + 5 + 7 + 8 + 8
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads[-3:] == ["horse", "domestic cat", "dog"]
    assert "10 train · 1 val" in page
    assert "31 of 35 images: at most 8 of each class. Those with a frame are val" in page


def test_pictures_are_small_and_of_their_shape(page):
    """At most 160 pixels; small images are not made larger."""
    sizes = {image.size for image in pictures(page)}
    assert sizes == {(size + 4, size) for size in SIZES}
    assert {image.format for image in pictures(page)} == {"WEBP"}


def test_page_stands_alone_and_escapes_names(page):
    """No address but data; a label that is markup stays text."""
    addresses: list[str] = []
    tags: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            names = ("src", "href", "action", "srcset")
            addresses.extend(value or "" for name, value in attrs if name in names)

    Tags().feed(page)
    assert all(a.startswith(("#", "data:")) for a in addresses)
    assert tags.count("script") == 2
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", page)


def test_same_seed_gives_the_same_page(granctl, made, tmp_path, page):
    """Byte for byte; another seed shows other images; the sheet of before is replaced."""
    out = tmp_path / "sheet.html"
    shards = next((made / "w/shards").iterdir())
    options = ("--shards", shards, "--sheet", out, "-q")
    granctl("shards", "stats", *options)
    assert out.read_text() == page
    first = granctl("shards", "stats", *options, "--images", 2, "--classes", 3, "--json").json
    assert (first["shown"], first["sheet"], first["made"]) == (6, str(out), True)
    three = out.read_text()
    assert "3 of 5 classes, chosen by seed 0" in three
    granctl("shards", "stats", *options, "--images", 2, "--classes", 3, "--seed", 1)
    assert out.read_text() != three


def test_oddities_are_told(granctl, tmp_path):
    """A rotated image stands upright; CMYK and progressive are named; what does not decode too."""
    folder = tmp_path / "s/train/a"
    folder.mkdir(parents=True)
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, :40] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.jpg", exif=exif.tobytes())
    Image.fromarray(pixels).save(folder / "slow.jpg", progressive=True)
    Image.fromarray(np.zeros((9, 9, 4), np.uint8), "CMYK").save(folder / "print.jpg")
    (folder / "noise.png").write_bytes(png(8, b"no pixels"))
    granctl("shards", "build", "-q", "--source", tmp_path / "s", "--holdout-frac", 0)
    granctl("shards", "stats", "-q", "--sheet", tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text()
    for name in ("rotated", "progressive", "cmyk"):
        assert f"<b>{name}</b>" in page
    assert "does not decode" in page
    upright = next(image for image in pictures(page) if image.size == (40, 80))
    assert upright.convert("RGB").getpixel((20, 10))[0] > 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "0"], "--images: 0 is below 1"),
        (["--classes", "-1"], "--classes: -1 is below 1"),
        (["--classes", "5000"], "are too many for one page"),
    ],
)
def test_input_that_cannot_be_used(granctl, made, tmp_path, arguments, words):
    """Exit 2; no page is written."""
    shards = next((made / "w/shards").iterdir())
    out = tmp_path / "p.html"
    refused = granctl("shards", "stats", "--shards", shards, "--sheet", out, *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert not out.exists()


def test_sheet_takes_the_place_of_a_sheet_alone(granctl, made, tmp_path):
    """Another file, or a folder, under --sheet: exit 2, unchanged."""
    shards = next((made / "w/shards").iterdir())
    mine = tmp_path / "mine.html"
    mine.write_text("<html>mine</html>")
    for place in (mine, tmp_path):
        refused = granctl("shards", "stats", "-q", "--shards", shards, "--sheet", place)
        assert refused.code == 2
        assert "name another place with --sheet" in refused.err
    assert mine.read_text() == "<html>mine</html>"


# --- in Chromium --------------------------------------------------------------------------------


@needs_chromium
def test_page_opens_as_its_address_says(made, tmp_path):
    """Words, split and order from the address; the console is empty."""
    address = f"{(made / 'sheet.html').as_uri()}#find=domestic&split=val&order=name"
    dom, console = visit(address, tmp_path, CALM)
    assert console == []
    assert 'data-ready="yes"' in dom
    assert "1 classes, 1 images" in dom


@needs_chromium
def test_search_order_and_split(made, tmp_path):
    """A label or a name finds its class; orders and splits do what they say."""
    script = """
      const shown = () => [...document.querySelectorAll('.class')].filter(n => !n.hidden)
        .map(n => n.dataset.name);
      const type = (t) => { find.value = t; find.dispatchEvent(new Event('input')); };
      seen.first = shown()[0];
      document.querySelector('input[value=fewest]').click(); seen.fewest = shown();
      document.querySelector('input[value=name]').click(); seen.name = shown();
      type('DOG'); seen.dog = shown();
      type('n02374451'); seen.wnid = shown();
      type('nosuch'); seen.none = shown(); seen.told = told.textContent;
      type('');
      document.querySelector('input[value=val]').click();
      seen.val = [...document.querySelectorAll('figure[data-split]')].filter(n => !n.hidden).length;
      seen.hash = location.hash"""
    seen = act(made / "sheet.html", script, tmp_path)
    assert unescape(seen["first"]) == LABELS[4]
    assert seen["fewest"][:3] == ["dog", "domestic cat", "horse"]
    assert seen["name"] == sorted(seen["name"], key=str.lower)
    assert seen["dog"] == ["dog"]
    assert seen["wnid"] == ["horse"]
    assert (seen["none"], seen["told"]) == ([], "0 classes, 0 images")
    assert 0 < seen["val"] <= 5
    assert "order=name" in seen["hash"]
    assert "split=val" in seen["hash"]


@needs_chromium
def test_images_are_drawn_and_phone_width_does_not_scroll_sideways(made, tmp_path):
    """Every picture decodes; at 390 pixels all stays inside, the numbers too."""
    script = """
      document.querySelectorAll('img').forEach(n => { n.loading = 'eager'; });
      document.querySelectorAll('.class').forEach(n => { n.style.contentVisibility = 'visible'; });
      await wait(300);
      seen.drawn = [...document.images].filter(n => n.naturalWidth > 0).length;
      document.querySelector('details').open = true;
      document.body.style.width = '390px'; document.documentElement.style.width = '390px';
      await wait(100);
      seen.wide = [...document.querySelectorAll('body *')].filter(n =>
        !n.closest('.visually-hidden') && !n.closest('.skip') && !n.closest('.scroll')
        && n.tagName !== 'SCRIPT' && n.getBoundingClientRect().right > 391).map(n => n.tagName)"""
    seen = act(made / "sheet.html", script, tmp_path, CALM)
    assert seen["drawn"] == 31
    assert seen["wide"] == []
