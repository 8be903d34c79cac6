"""Images encoded anew: their size, their way up, their colours, and what is recorded."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_audit import exif, picture, png_of, saved, with_segment
from told import all_bytes

from granctl.shards.build.audit import audit, quiet_decoder
from granctl.shards.build.recode import Recode, recoded
from granctl.shards.build.structure import Remark, jpeg_structure


def again(content: bytes, name: str = "", resize: int = 32, quality: int = 90) -> Image.Image:
    """The image that comes out, decoded; what is said of it is true."""
    found = audit(content, name)
    assert found.problem == ""
    out, said = recoded(content, found, Recode(resize=resize, quality=quality))
    assert said.problem == ""
    image = Image.open(io.BytesIO(out))
    image.load()
    assert (image.format, image.size) == ("JPEG", (said.width, said.height))
    assert jpeg_structure(out).remarks == 0
    return image


@pytest.mark.parametrize(
    ("size", "becomes"),
    [
        ((100, 64), (50, 32)),
        ((64, 100), (32, 50)),
        ((1001, 667), (48, 32)),
        ((667, 1001), (32, 48)),
        ((32, 500), (32, 500)),
        ((20, 10), (20, 10)),
        ((33, 33), (32, 32)),
        ((900, 33), (873, 32)),
    ],
)
def test_short_side_comes_down(size, becomes):
    """The other side keeps the shape; what is small already keeps its size."""
    assert again(saved(picture(size))).size == becomes


def quarters() -> Image.Image:
    """Red, green, blue and white, so that each of the eight ways up looks different."""
    pixels = np.zeros((48, 64, 3), dtype=np.uint8)
    pixels[:24, :32], pixels[:24, 32:] = (255, 0, 0), (0, 255, 0)
    pixels[24:, :32], pixels[24:, 32:] = (0, 0, 255), (255, 255, 255)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_turned_upright(form, orientation):
    """Each of the eight orientations of EXIF, in each format; the new file says nothing of them."""
    turns = Image.Transpose
    stored = {
        1: None,
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_90,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_270,
    }[orientation]
    image = quarters() if stored is None else quarters().transpose(stored)
    upright = again(saved(image, form, exif=exif(orientation)), resize=24)
    assert upright.size == (32, 24)
    seen = [upright.getpixel(place) for place in ((8, 6), (24, 6), (8, 18), (24, 18))]
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert np.abs(np.array(seen) - np.array(colours)).max() < 40


def test_exif_that_cannot_be_read_does_not_make_an_image_bad():
    """The picture is good, whatever stands beside it."""
    broken = with_segment(saved(picture((60, 40))), 0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff\xff")
    with quiet_decoder():  # as in a build
        assert again(broken).size == (48, 32)


def test_grey_stays_grey_and_all_else_becomes_rgb():
    """Modes of PNG and JPEG; palettes and transparency are RGB afterwards."""
    image = picture((60, 40))
    modes = {"L": "L", "LA": "L", "1": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB"}
    for mode, becomes in modes.items():
        assert again(saved(image.convert(mode), "PNG")).mode == becomes
    assert again(saved(image.convert("L"))).mode == "L"


def test_sixteen_bits_keep_their_range():
    """Dark stays dark and light stays light: nothing is clipped."""
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    found = np.asarray(again(saved(Image.fromarray(ramp), "PNG"))).astype(float)
    wanted = np.linspace(0, 255, 64 * 64).reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(found - wanted).mean() < 4


def test_cmyk_has_its_colours_in_rgb():
    """As Pillow turns them into RGB."""
    image = quarters().convert("CMYK")
    found = np.asarray(again(saved(image, quality=95), resize=48)).astype(int)
    wanted = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(found - wanted).mean() < 6


def test_picture_is_the_one_that_it_was():
    """Against scaling by Pillow without any shortcut: a few steps of grey on the average."""
    image = picture((400, 300))
    found = np.asarray(again(saved(image, quality=95), resize=75)).astype(float)
    wanted = np.asarray(image.resize((100, 75), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(found - wanted).mean() < 3


def test_quality_is_that_of_jpeg():
    """Less quality, fewer bytes."""
    content = saved(picture((200, 150)))
    sizes = [
        len(recoded(content, audit(content), Recode(resize=128, quality=q))[0]) for q in (20, 90)
    ]
    assert sizes[0] < sizes[1] / 2


def test_what_does_not_decode_is_bad():
    """The structure let it pass; encoding it anew needs its pixels."""
    content = png_of(8, 8, b"not deflated")
    out, said = recoded(content, audit(content), Recode(resize=4))
    assert (out, said.code) == (content, "damaged")
    assert "does not decode" in said.problem


def test_what_jpeg_cannot_hold_is_bad():
    """A strip longer than 65,500 pixels, with words for that."""
    content = saved(Image.new("L", (66_000, 3)), "PNG")
    _, said = recoded(content, audit(content), Recode(resize=4))
    assert (said.code, said.problem[:26]) == ("damaged", "cannot be encoded as JPEG:")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Images of several kinds and sizes in two classes, one of them undecodable."""
    for i in range(16):
        folder = tmp_path / "s/train" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image = picture((40 + 9 * i, 90 - 3 * i), seed=i)
        if i == 5:
            image = image.convert("CMYK")
        options = {"exif": exif(6)} if i == 6 else {}
        (folder / f"{i}.jpg").write_bytes(saved(image, **options))
    (tmp_path / "s/train/a/grey.png").write_bytes(saved(picture((99, 50), "L"), "PNG"))
    (tmp_path / "s/train/a/named.png").write_bytes(saved(picture((99, 50))))
    (tmp_path / "s/train/b/noise.png").write_bytes(png_of(8, 8, b"not deflated"))
    return tmp_path / "s"


def test_build_encodes_anew_and_records_it(granctl, source):
    """Sizes in the index, the kind of encoding in the manifest, bad images in the list."""
    options = ("--resize", 32, "--quality", 80, "--holdout-frac", 0, "--on-bad-image", "skip")
    built = granctl("shards", "build", "-q", "--source", source, *options, "--json").json
    folder = Path(built["path"])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["recoded"] == {"resize": 32, "quality": 80}
    assert built["remarks"] == {"misnamed": 1}
    assert (built["images"], built["bad_images"]) == (18, 1)
    with (folder / "bad.csv").open() as file:
        rows = {row["name"]: (row["code"], row["left_out"]) for row in csv.DictReader(file)}
    assert rows == {
        "train/b/noise.png": ("damaged", "yes"),
        "train/a/named.png": ("misnamed", "no"),
    }
    for name, content in members(folder).items():
        key, _, extension = name.partition(".")
        if extension not in ("cls", "json"):
            assert extension == "jpg"
            with Image.open(io.BytesIO(content)) as image:
                shown = granctl("shards", "show", key, "--shards", folder, "-q", "--json").json
                assert image.size == (shown["width"], shown["height"])
                assert min(image.size) <= 32


def members(folder: Path) -> dict[str, bytes]:
    """All members of all shards."""
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                found[member.name] = file.read()
    return found


def test_bytes_are_the_same_for_any_number_of_workers(granctl, source, tmp_path):
    """One process, or two, and as a plan with tasks: shards, index and manifest alike."""
    options = ("--resize", 32, "--shard-images", 4, "--on-bad-image", "skip")
    command = ("shards", "build", "-q", "--source", source, *options)
    folders = [tmp_path / f"out-{i}" for i in (1, 2)]
    for workers, folder in enumerate(folders, 1):
        granctl(*command, "--workers", workers, "--out", folder)
    first, second = (all_bytes(folder) for folder in folders)
    assert first["manifest.json"]
    for found in (first, second):
        del found["spec.json"]  # it says by which command
    assert first == second


def test_a_set_is_whole_when_it_is_verified(granctl, source):
    """Sizes and checksums are those of the new bytes."""
    granctl("shards", "build", "-q", "--source", source, "--resize", 32, "--on-bad-image", "skip")
    assert granctl("shards", "verify", "-q").code == 0


def test_remarks_of_the_source_do_not_outlive_it():
    """A progressive, rotated CMYK image is a plain JPEG afterwards; only its name stays wrong."""
    content = saved(picture((60, 40), "CMYK"), progressive=True, exif=exif(6))
    found = audit(content, "x.png")
    wanted = Remark.PROGRESSIVE | Remark.CMYK | Remark.ROTATED | Remark.MISNAMED
    assert found.remarks == wanted
    _, said = recoded(content, found, Recode(resize=16))
    assert said.remarks == Remark.MISNAMED
