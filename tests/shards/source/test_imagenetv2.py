"""ImageNetV2: folders are numbers, and numbers are no texts."""

from __future__ import annotations

from pathlib import Path

import fake_imagenet as fake
import pytest

from granctl.errors import SourceLayoutError
from granctl.progress import Silent
from granctl.shards.source.detect import detected
from granctl.shards.source.knownsets import list_labels
from granctl.shards.source.listing import SPLITS, Source
from granctl.shards.source.resolve import open_as, open_source
from granctl.workspace import Workspace

WNIDS = list_labels("1k")
NUMBERS = (0, 1, 2, 9, 10, 11, 99, 100, 999)


def _images(source: Source) -> dict[str, tuple[str, str]]:
    found = source.listing
    return {
        found.names[i].rpartition("/")[2]: (
            found.labels[found.label_of[i]],
            SPLITS[found.split_of[i]],
        )
        for i in range(len(found))
    }


EXPECTED = {f"image{n}.jpeg": (WNIDS[n], "val") for n in NUMBERS}


@pytest.mark.parametrize("form", ["folders", "nested", "tar"])
def test_numbers_count_the_sorted_labels(tmp_path: Path, form: str) -> None:
    """Folder 10 is the eleventh class, though it sorts behind 1; every image is held out."""
    files = {f"{n}/image{n}.jpeg": fake.jpeg(n) for n in NUMBERS}
    called = "imagenetv2-matched-frequency-format-val"
    place = tmp_path / called
    if form == "tar":
        place = tmp_path / "imagenetv2-matched-frequency.tar"
        fake.write(place, fake.packed({f"{called}/{name}": c for name, c in files.items()}))
    else:
        inner = place / "inner" if form == "nested" else place
        for name, content in files.items():
            fake.write(inner / name, content)
    assert detected(place) == "imagenetv2"
    assert _images(open_source(Workspace(tmp_path), str(place))) == EXPECTED


def test_a_registered_name_says_what_the_numbers_are(tmp_path: Path) -> None:
    """Of a folder of any name; one that is no ImageNetV2 keeps its labels."""
    for n in NUMBERS:
        fake.write(tmp_path / f"v2/{n}/image{n}.jpeg", fake.jpeg(n))
    space = Workspace(tmp_path / "workspace")
    assert set(open_source(space, str(tmp_path / "v2")).listing.labels) == set(map(str, NUMBERS))
    assert _images(open_as(space, "in1k-v2", tmp_path / "v2", Silent())) == EXPECTED
    space.add_data("in1k-v2", tmp_path / "v2")
    assert _images(open_source(space, "imagenetv2")) == EXPECTED


def test_folders_that_are_no_numbers_of_the_list_are_refused(tmp_path: Path) -> None:
    """1000 is one too many; labels themselves are taken."""
    root = tmp_path / "imagenetv2-x"
    fake.write(root / f"{WNIDS[3]}/a.jpeg", fake.jpeg(3))
    assert _images(open_source(Workspace(tmp_path), str(root))) == {"a.jpeg": (WNIDS[3], "val")}
    fake.write(root / "1000/b.jpeg", fake.jpeg(4))
    with pytest.raises(SourceLayoutError, match="1000: no number from 0 to 999"):
        open_source(Workspace(tmp_path), str(root))
