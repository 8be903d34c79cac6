"""What the audit says of images: good ones pass, and what is wrong or odd has a name."""

from __future__ import annotations

import csv
import io
import itertools
import json
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from granctl.shards.build.audit import MAX_PIXELS, Audit, audit
from granctl.shards.build.structure import Remark, jpeg_structure

SUFFIX = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


def picture(size: tuple[int, int], mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Smooth colours with some noise, as a photo has."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = (smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(noisy).convert(mode)


def saved(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    found = Image.Exif()
    found[0x0112] = orientation
    return found.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of PNG with its right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, data: bytes, *, depth: int = 8) -> bytes:
    """A PNG of grey whose checksums hold, with any bytes for its pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = (chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def with_segment(content: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with one more segment behind its first marker."""
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
    return content[:2] + segment + content[2:]


def frame_at(content: bytes) -> int:
    """Where the frame header of a baseline JPEG begins."""
    return content.index(b"\xff\xc0")


# --- good images --------------------------------------------------------------------------------


def good_images() -> Iterator[tuple[str, bytes]]:
    """Whole images of every kind that encoders write."""
    sizes = [(1, 1), (7, 3), (8, 8), (16, 16), (17, 33), (64, 48), (199, 150)]
    for size, mode in itertools.product(sizes, ("RGB", "L", "CMYK")):
        yield f"{size} {mode}.jpg", saved(picture(size, mode))
    image = picture((120, 90))
    for quality, sub in itertools.product((1, 30, 75, 95, 100), ("4:4:4", "4:2:2", "4:2:0")):
        content = saved(image, quality=quality, subsampling=sub)
        yield f"quality {quality} {sub}.jpg", content
    for blocks in (1, 3, 7):
        yield f"restart {blocks}.jpg", saved(image, restart_marker_blocks=blocks)
    yield "restart rows.jpg", saved(image, restart_marker_rows=1, optimize=True)
    for seed in range(40):
        side = (20 + 7 * seed, 20 + 5 * (seed % 9))
        content = saved(picture(side, seed=seed), quality=60 + seed, optimize=bool(seed % 2))
        yield f"seed {seed}.jpg", content
    yield "progressive.jpg", saved(image, progressive=True)
    yield "fill bytes.jpg", saved(image)[:2] + b"\xff\xff\xff" + saved(image)[3:]
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        yield f"{mode}.png", saved(image.convert(mode), "PNG")
    for lossless in (False, True):
        yield f"lossless {lossless}.webp", saved(image, "WEBP", lossless=lossless)
        yield f"alpha {lossless}.webp", saved(image.convert("RGBA"), "WEBP", lossless=lossless)
    frames = [picture((20, 20), seed=i) for i in range(3)]
    yield "animated.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("depth", ["structure", "decode"])
def test_good_images_are_good(depth):
    """Sizes, colours, qualities, restarts: none is called bad, at either depth; sizes are right."""
    for name, content in good_images():
        found = audit(content, name, depth)
        assert found.problem == "", name
        with Image.open(io.BytesIO(content)) as image:
            assert (found.width, found.height) == image.size, name


def test_long_run_of_zeros_in_a_flat_picture_is_good():
    """One grey and codes of one bit: kilobytes of zeros that are no hole."""
    content = saved(Image.new("L", (4096, 2048), 90), optimize=True)
    assert bytes(4096) in content
    assert audit(content).problem == ""
    assert audit(content, depth="decode").problem == ""


# --- remarks ------------------------------------------------------------------------------------

IMAGE = picture((60, 40))
ODD = {
    "progressive": saved(IMAGE, progressive=True),
    "cmyk": saved(IMAGE.convert("CMYK")),
    "sixteen_bit": saved(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)), "PNG"),
    "trailing": saved(IMAGE) + b"more",
}


@pytest.mark.parametrize("name", ODD)
def test_oddity_is_remarked(name):
    """A good image, with the one flag that it has earned."""
    suffix = ".png" if name == "sixteen_bit" else ".jpg"
    found = audit(ODD[name], f"x{suffix}")
    assert (found.problem, Remark(found.remarks)) == ("", Remark[name.upper()])


@pytest.mark.parametrize("form", SUFFIX)
@pytest.mark.parametrize("orientation", range(9))
def test_orientation_is_remarked(form, orientation):
    """2 to 8 are to be turned or mirrored, 1 is upright, 0 is nothing; in all three formats."""
    content = saved(IMAGE, form, exif=exif(orientation))
    rotated = Remark.ROTATED if 2 <= orientation <= 8 else 0
    assert audit(content, f"x{SUFFIX[form]}").remarks == rotated


@pytest.mark.parametrize(
    "tiff",
    [
        b"",
        b"II",
        b"XX*\0\x08\0\0\0",
        b"MM\0*\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x04\0\x01\0\0\0\x06\0\0\0",
    ],
)
def test_broken_exif_is_no_remark_and_no_fault(tiff):
    """A directory outside of the segment, cut off, or of another type says nothing."""
    found = audit(with_segment(saved(IMAGE), 0xE1, b"Exif\0\0" + tiff), "x.jpg")
    assert (found.problem, found.remarks) == ("", 0)


def test_names_are_compared_with_the_content():
    """JPEG has four endings, in any case of letters; a name without one of a format says none."""
    jpeg, png = saved(IMAGE), saved(IMAGE, "PNG")
    for name in ("a.jpg", "a.JPEG", "a.jpe", "a.JFIF", "", "a", "table#7", "a.bin", "v1.2"):
        assert audit(jpeg, name).remarks == 0
    for name in ("a.png", "a.TIF", "a.jpg.webp"):
        assert audit(jpeg, name).remarks == Remark.MISNAMED
    assert audit(png, "a.jpg").remarks == Remark.MISNAMED


def test_bytes_behind_the_end_are_remarked():
    """In each format; one byte behind a WebP of odd length is its padding."""
    assert audit(saved(IMAGE, "PNG") + b"x", "x.png").remarks == Remark.TRAILING
    webp = saved(IMAGE, "WEBP")
    assert audit(webp + b"xx", "x.webp").remarks == Remark.TRAILING
    assert audit(webp + b"\0", "x.webp").remarks == 0


def test_pictures_behind_a_picture_are_remarked():
    """As phones write several into one file, one behind the other."""
    first = with_segment(saved(IMAGE), 0xE2, b"MPF\0" + bytes(20))
    found = audit(first + saved(picture((9, 9))), "x.jpg")
    assert (found.problem, found.remarks) == ("", Remark.TRAILING)
    assert (found.width, found.height) == IMAGE.size


# --- cut off, damaged ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})],
    ids=["JPEG", "progressive", "PNG", "WEBP"],
)
def test_every_cut_is_noticed(form, options):
    """Whatever is missing at the end, the structure says so, and nearly always as `cut-off`."""
    whole = saved(picture((40, 30)), form, **options)
    codes = [audit(whole[:end]).code for end in range(len(whole))]
    assert codes[0] == "empty"
    assert "" not in codes
    assert set(codes[20:]) == {"cut-off"}


def test_cut_behind_a_thumbnail_is_noticed():
    """The end marker of the small picture in EXIF is not that of the image."""
    thumbnail = saved(picture((16, 12)))
    whole = with_segment(saved(IMAGE), 0xE1, b"Exif\0\0" + bytes(8) + thumbnail)
    assert audit(whole).problem == ""
    assert audit(whole[:-2]).code == "cut-off"


def broken_headers() -> dict[str, tuple[bytes, str]]:
    """What may be wrong with the headers of a JPEG, and the words that say so."""
    whole = saved(IMAGE)
    frame, tables = frame_at(whole), whole.index(b"\xff\xdb")
    no_size = whole[: frame + 5] + bytes(4) + whole[frame + 9 :]
    no_frame = whole[:frame] + whole[frame + 2 + 17 :]
    return {
        "no marker": (whole[:20] + b"\x00" + whole[21:], "is no marker"),
        "segment of 1": (whole[: tables + 2] + b"\0\1" + whole[tables + 4 :], "of 1 bytes"),
        "short frame": (whole[: frame + 2] + b"\0\6" + whole[frame + 4 :], "header of 6 bytes"),
        "no size": (no_size, "no frame header with a size"),
        "no frame": (no_frame, "no frame header with a size"),
        "end at once": (whole[:2] + b"\xff\xd9" + whole[2:], "ends before its first scan"),
        "long segment": (whole[: tables + 2] + b"\xff\xff" + whole[tables + 4 :], "its headers"),
    }


@pytest.mark.parametrize("name", broken_headers())
def test_broken_headers_of_a_jpeg_are_named(name):
    """A code and what is wrong where."""
    content, words = broken_headers()[name]
    found = audit(content)
    assert found.code in ("damaged", "cut-off")
    assert words in found.problem


def test_png_is_checked_chunk_by_chunk():
    """Any flipped byte is found; so are a missing header, no pixels, no size."""
    whole = saved(picture((20, 15)), "PNG")
    for at in range(8, len(whole)):
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        assert audit(flipped).problem, at
    start = whole[:8]
    assert "first chunk is no header" in audit(start + chunk(b"IDAT", b"x" * 20)).problem
    empty = start + chunk(b"IHDR", whole[16:29]) + chunk(b"IEND", b"")
    assert "no picture" in audit(empty).problem
    assert "no picture" in audit(png_of(0, 5, b"x")).problem


def test_webp_is_checked_chunk_by_chunk():
    """A chunk longer than the file, an unknown first chunk, no picture."""
    whole = saved(IMAGE.convert("RGBA"), "WEBP", exif=exif(3))
    assert audit(whole, "x.webp").remarks == Remark.ROTATED
    at = whole.index(b"EXIF")
    longer = whole[: at + 4] + struct.pack("<I", 10**6) + whole[at + 8 :]
    assert "longer than the file" in audit(longer).problem
    assert "first chunk is ABCD" in audit(whole[:12] + b"ABCD" + whole[16:]).problem
    head = whole[:30]
    alone = head[:4] + struct.pack("<I", 22) + head[8:]
    assert "no picture" in audit(alone).problem


# --- what decoding finds ------------------------------------------------------------------------


def scan_of(content: bytes) -> tuple[int, int]:
    """Begin and end of the coded pixels."""
    return jpeg_structure(content).scan_at, content.rindex(b"\xff\xd9")


def with_hole(content: bytes, at: int, size: int = 1500) -> bytes:
    return content[:at] + bytes(size) + content[at + size :]


def test_hole_of_zeros_in_coded_pixels_is_found():
    """As a lost block of a disk leaves it: Pillow alone decodes such files without a word."""
    rng = np.random.default_rng(0)
    found = silent = num = 0
    for seed in range(25):
        whole = saved(picture((300, 200), seed=seed), quality=88 + seed % 8)
        begin, end = scan_of(whole)
        for at in rng.integers(begin + 50, end - 1600, 4).tolist():
            broken = with_hole(whole, at)
            found += bool(audit(broken).problem)
            num += 1
            with Image.open(io.BytesIO(broken)) as image:
                image.load()
                silent += 1
    assert silent == num == 100
    assert found >= 90


def test_hole_says_that_bytes_are_lost():
    """The code is `damaged`; the words say on which side the pixels and the data part."""
    whole = saved(picture((300, 200)), quality=92)
    begin, end = scan_of(whole)
    said = {audit(with_hole(whole, at)).problem for at in range(begin + 100, end - 1600, 700)}
    assert said - {""}
    for problem in said - {""}:
        assert "its data ends before its pixels do" in problem or "bytes are lost" in problem


def test_decode_finds_what_the_structure_does_not():
    """Pixels of a PNG that are no data, and data of a JPEG that ends too early."""
    no_pixels = png_of(8, 8, b"not deflated")
    assert audit(no_pixels).problem == ""
    assert audit(no_pixels, depth="decode").code == "damaged"
    whole = saved(picture((200, 150)))
    begin, end = scan_of(whole)
    short = whole[: (begin + end) // 2] + whole[end:]
    assert audit(short).problem == ""
    found = audit(short, depth="decode")
    assert (found.code, found.problem) == ("damaged", "its data ends before its pixels do")


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xCB])
def test_jpeg_that_no_decoder_reads_is_found_by_its_structure(marker):
    """Lossless and hierarchical frames, and twelve bits a channel, are decoded to be sure."""
    whole = saved(IMAGE)
    at = frame_at(whole)
    assert audit(whole[: at + 1] + bytes([marker]) + whole[at + 2 :]).code == "damaged"
    twelve = whole[: at + 4] + b"\x0c" + whole[at + 5 :]
    assert audit(twelve).code == "damaged"


def test_problem_is_the_same_in_each_run():
    """No address of memory in it: bad.csv has the same bytes each time."""
    for content in (png_of(8, 8, b"x"), saved(IMAGE)[:40], b"RIFF\x10\0\0\0WEBP"):
        first, second = (audit(bytes(bytearray(content)), depth="decode") for _ in range(2))
        assert first == second
        assert "0x" not in first.problem


# --- bombs --------------------------------------------------------------------------------------


def bombs() -> dict[str, bytes]:
    """Images of 900 million pixels in a few bytes."""
    jpeg = saved(IMAGE)
    at = frame_at(jpeg)
    webp = saved(IMAGE.convert("RGBA"), "WEBP", exif=exif(1))
    side = struct.pack("<I", 29_999)[:3]
    return {
        "x.jpg": jpeg[: at + 5] + struct.pack(">HH", 30_000, 30_000) + jpeg[at + 9 :],
        "x.png": png_of(30_000, 30_000, zlib.compress(bytes(1000))),
        "x.webp": webp[:24] + side + side + webp[30:],
    }


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp"])
@pytest.mark.parametrize("depth", ["structure", "decode"])
def test_bomb_is_named_and_not_unpacked(name, depth):
    """Its size is said; no memory is taken for its pixels."""
    content = bombs()[name]
    tracemalloc.start()
    try:
        found = audit(content, name, depth)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.code, found.width, found.height) == ("bomb", 30_000, 30_000)
    assert most < 10_000_000


def test_largest_image_is_no_bomb():
    """A hundred million pixels are taken, one column more is not."""
    side = 10_000
    assert side * side == MAX_PIXELS
    assert audit(png_of(side, side, b"")).problem == ""
    assert audit(png_of(side + 1, side, b"")).code == "bomb"


def test_what_is_no_image_is_said():
    """Nothing, text, and formats that are not taken."""
    assert audit(b"") == Audit("", 0, 0, "the file is empty", "empty")
    for content in (b"hello", b"GIF89a" + bytes(100), b"BM" + bytes(100), b"\xff\xd8"):
        assert audit(content).code == "format"


# --- through a build ----------------------------------------------------------------------------


@pytest.fixture
def odd_source(tmp_path: Path) -> Path:
    """One image of each remark, some of two, and plain ones."""
    folder = tmp_path / "s/train/a"
    folder.mkdir(parents=True)
    for name, content in ODD.items():
        (folder / f"{name}.{'png' if name == 'sixteen_bit' else 'jpg'}").write_bytes(content)
    (folder / "rotated.jpg").write_bytes(saved(IMAGE, exif=exif(6)))
    (folder / "misnamed.JPEG").write_bytes(saved(IMAGE, "PNG"))
    both = saved(picture((61, 40)), progressive=True, exif=exif(8))
    (folder / "both.png").write_bytes(both)
    for i in range(3):
        (folder / f"plain{i}.jpg").write_bytes(saved(picture((50, 30 + i))))
    return tmp_path / "s"


def test_remarks_are_in_index_manifest_and_answer(granctl, odd_source):
    """A flag each in the index, a count each in the manifest and in --json."""
    built = granctl("shards", "build", "-q", "--source", odd_source, "--holdout-frac", 0, "--json")
    counts = dict.fromkeys(("cmyk", "sixteen_bit", "trailing"), 1)
    counts |= {"progressive": 2, "rotated": 2, "misnamed": 2}
    assert built.json["remarks"] == counts
    folder = Path(built.json["path"])
    assert json.loads((folder / "manifest.json").read_text())["remarks"] == counts
    flags = pq.read_table(folder / "index.parquet")["remarks"].to_numpy()
    assert sorted(flags.tolist()) == sorted([1, 2, 4, 8, 16, 32, 1 + 8 + 16, 0, 0, 0])


def test_oddities_that_readers_stumble_over_are_in_the_list(granctl, odd_source):
    """CMYK, 16 bits and other names, kept; progressive, rotated, trailing are only counted."""
    folder = granctl("shards", "build", "-q", "--source", odd_source, "--holdout-frac", 0).path
    with (folder / "bad.csv").open() as file:
        rows = [(row["name"], row["code"], row["left_out"]) for row in csv.DictReader(file)]
    assert sorted(rows) == [
        ("train/a/both.png", "misnamed", "no"),
        ("train/a/cmyk.jpg", "cmyk", "no"),
        ("train/a/misnamed.JPEG", "misnamed", "no"),
        ("train/a/sixteen_bit.png", "16-bit", "no"),
    ]


def test_depth_of_the_audit_decides_what_is_bad(granctl, tmp_path):
    """What only decoding finds goes into the shards by structure, and is left out by decode."""
    folder = tmp_path / "s/train/a"
    folder.mkdir(parents=True)
    (folder / "good.png").write_bytes(saved(IMAGE, "PNG"))
    (folder / "noise.png").write_bytes(png_of(8, 8, b"not deflated"))
    command = ("shards", "build", "-q", "--source", tmp_path / "s", "--holdout-frac", 0)
    assert granctl(*command, "--json").json["images"] == 2
    decoded = granctl(*command, "--audit", "decode")
    assert decoded.code == 2
    assert "train/a/noise.png (does not decode" in decoded.err
    skipped = granctl(*command, "--audit", "decode", "--on-bad-image", "skip", "--json").json
    assert (skipped["images"], skipped["bad_images"]) == (1, 1)
