"""A source with everything that can be wrong in it, through `granctl shards build`."""

import csv
import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from generated_images import encoded
from PIL import Image


def png(side: int) -> bytes:
    """A PNG that says it has `side` x `side` pixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(side))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def saved(image: Image.Image, form: str) -> bytes:
    """An image in a format."""
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


RNG = np.random.default_rng(0)
CMYK = saved(Image.fromarray(RNG.integers(0, 256, (8, 8, 4), dtype=np.uint8), "CMYK"), "JPEG")
DEEP = saved(Image.fromarray(RNG.integers(0, 65536, (8, 8), dtype=np.uint16)), "PNG")
INNER = {
    "n1_1.JPEG": encoded(1, ".jpg"),
    "n1_2.JPEG": encoded(2, ".jpg")[:-40],
    "n1_3.JPEG": b"",
    "n1_4.JPEG": CMYK,
    "n1_5.JPEG": DEEP,
    "n1_6.JPEG": encoded(6, ".png"),
    "n1_7.png": png(30_000),
    "n1_8.JPEG": b"no image at all",
    "../../n1_9.JPEG": encoded(9, ".jpg"),
    "/etc/n1_10.JPEG": encoded(10, ".jpg"),
}
LEFT_OUT = {
    "n1_2.JPEG": "cut-off",
    "n1_3.JPEG": "empty",
    "n1_7.png": "bomb",
    "n1_8.JPEG": "format",
    "../../n1_9.JPEG": "not-read",
    "/etc/n1_10.JPEG": "not-read",
    "n1_link.JPEG": "not-read",
    "n1_hard.JPEG": "not-read",
}
KEPT = {"n1_4.JPEG": ["cmyk"], "n1_5.JPEG": ["16-bit", "misnamed"], "n1_6.JPEG": ["misnamed"]}

NUM_WHOLE = 1
"""Images of the third tar before the place where it was cut."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tar of tars: one with all of INNER and two links, one good, one that is cut off."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        for name, content in INNER.items():
            add(tar, name, content)
        for name, kind in (("n1_link.JPEG", tarfile.SYMTYPE), ("n1_hard.JPEG", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    good = io.BytesIO()
    with tarfile.open(fileobj=good, mode="w") as tar:
        for i in range(4):
            add(tar, f"n2_{i}.JPEG", encoded(20 + i, ".jpg"))
    path = tmp_path / "home/whole.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as tar:
        add(tar, "n1.tar", inner.getvalue())
        add(tar, "n2.tar", good.getvalue())
        add(tar, "n3.tar", good.getvalue()[:2000])
    return path


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def test_everything_wrong_is_named_and_nothing_leaves_the_folder(granctl, source, tmp_path):
    """Exit 2 with the count; skip goes on; bad.csv names each with its code; all else is there."""
    before = sorted(p for p in tmp_path.rglob("*") if "workspace" not in p.parts)
    refused = granctl("shards", "build", "--source", source)
    assert refused.code == 2
    assert f"{len(LEFT_OUT) + 1} bad images, all named in" in refused.err
    built = granctl("shards", "build", "--source", source, "--on-bad-image", "skip", "--json").json
    assert built["images"] == len(INNER) + 2 - len(LEFT_OUT) + 4 + NUM_WHOLE
    assert built["bad_images"] == len(LEFT_OUT) + 1
    assert built["remarks"] == {"cmyk": 1, "sixteen_bit": 1, "misnamed": 2}
    with (Path(built["path"]) / "bad.csv").open() as file:
        rows = list(csv.DictReader(file))
    codes: dict[str, list[str]] = {}
    for row in rows:
        name = row["name"].removeprefix("whole.tar/n1.tar/").removeprefix("n1/")
        codes.setdefault(name, []).append(row["code"])
        assert row["left_out"] == ("no" if name in KEPT else "yes")
        assert row["problem"]
    assert {name: codes[name] for name in KEPT} == KEPT
    assert {name: codes[name] for name in LEFT_OUT} == {n: [c] for n, c in LEFT_OUT.items()}
    assert codes["whole.tar/n3.tar"] == ["not-read"]
    after = sorted(p for p in tmp_path.rglob("*") if "workspace" not in p.parts)
    assert after == before
    assert not Path("/etc/n1_10.JPEG").exists()
