"""What a folder or a name means as a source of images."""

import os
import shutil
from pathlib import Path

import pytest
from generated_images import LABELS, encoded, write_source

from granctl.errors import (
    MissingInputError,
    NoImagesError,
    SourceChangedError,
    SourceLayoutError,
    UnknownDataError,
    UnsafeLinkError,
)
from granctl.shards.source.counting import counted
from granctl.shards.source.resolve import open_source
from granctl.workspace import Workspace


@pytest.fixture
def opened(tmp_path):
    """`opened(path)` opens a source in an empty workspace."""
    return lambda path: open_source(Workspace(tmp_path / "w"), str(path))


def put(path: Path, content: bytes = b"") -> Path:
    """Writes a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or encoded(0))
    return path


def splits_of(source) -> list[int]:
    """How many images train, val and test have."""
    return [int((source.listing.split_of == i).sum()) for i in range(3)]


def test_split_folders_are_seen(opened, source_folder):
    """SPLIT/CLASS/IMAGE: labels are the classes, names are sorted paths."""
    source = opened(source_folder)
    assert source.listing.labels == LABELS
    assert splits_of(source) == [18, 0, 6]
    assert list(source.listing.names) == sorted(source.listing.names)
    first = source_folder / source.listing.names[0]
    assert source.read(0) == first.read_bytes()


@pytest.mark.parametrize(("folder", "index"), [("val", 1), ("validation", 1), ("Test", 2)])
def test_only_a_folder_named_test_is_the_test_split(opened, tmp_path, folder, index):
    """Both val and validation are `val`; letter case does not matter."""
    put(tmp_path / "s/train/a/1.png")
    put(tmp_path / "s" / folder / "a/2.png")
    assert splits_of(opened(tmp_path / "s"))[index] == 1


def test_class_may_be_named_like_a_split(opened, tmp_path):
    """A folder `train` that holds images beside `plane` is a class of trains."""
    put(tmp_path / "s/train/1.png")
    put(tmp_path / "s/plane/1.png")
    assert opened(tmp_path / "s").listing.labels == ("plane", "train")


def test_folder_beside_the_splits_is_refused(opened, tmp_path):
    """Nothing beside train/ and val/ is guessed at."""
    put(tmp_path / "s/train/a/1.png")
    put(tmp_path / "s/extra/1.png")
    with pytest.raises(SourceLayoutError, match="beside train stands extra, which is no split"):
        opened(tmp_path / "s")


def test_flat_split_beside_class_folders_is_refused(opened, tmp_path):
    """ImageNet's flat val/ has no classes: it is no class of its own."""
    put(tmp_path / "s/train/a/1.png")
    put(tmp_path / "s/val/1.png")
    with pytest.raises(SourceLayoutError, match="val, which holds no classes"):
        opened(tmp_path / "s")


def test_two_folders_of_one_split_are_refused(opened, tmp_path):
    """val/ and validation/ together would be merged silently."""
    put(tmp_path / "s/val/a/1.png")
    put(tmp_path / "s/validation/a/2.png")
    with pytest.raises(SourceLayoutError, match="same split twice"):
        opened(tmp_path / "s")


def test_images_deeper_in_a_class_belong_to_it(opened, tmp_path):
    """CLASS/SUB/IMAGE has the label CLASS."""
    put(tmp_path / "s/a/deep/er/1.png")
    assert opened(tmp_path / "s").listing.labels == ("a",)


def test_files_that_are_no_images_are_counted(opened, tmp_path):
    """.DS_Store, notes, a Mac's ._ files and images in no class are counted apart."""
    put(tmp_path / "s/a/1.png")
    for name in ("a/.DS_Store", "a/notes.txt", "a/._1.png", "README"):
        put(tmp_path / "s" / name)
    put(tmp_path / "s/2.png")
    listing = opened(tmp_path / "s").listing
    assert (len(listing), listing.num_others, listing.num_outside) == (1, 4, 1)


def test_folder_with_no_images_is_refused(opened, tmp_path):
    """The count of other files helps to see what was named by mistake."""
    put(tmp_path / "s/a/notes.txt")
    with pytest.raises(NoImagesError, match=r"no images in .* \(1 other file\)"):
        opened(tmp_path / "s")


def test_images_without_class_folders_are_refused(opened, tmp_path):
    """There is no label to give them."""
    put(tmp_path / "s/1.png")
    with pytest.raises(SourceLayoutError, match="1 images, but none in a class folder"):
        opened(tmp_path / "s")


def test_link_that_leaves_the_source_is_refused(opened, tmp_path):
    """Files and folders alike; a link inside the source is followed."""
    outside = put(tmp_path / "outside/secret.png")
    real = put(tmp_path / "s/a/1.png")
    link = tmp_path / "s/a/2.png"
    link.symlink_to(real)
    assert len(opened(tmp_path / "s").listing) == 2
    for target in (outside, outside.parent, tmp_path / "nowhere"):
        link.unlink()
        link.symlink_to(target)
        with pytest.raises(UnsafeLinkError, match=r"leads (out of the source|to nothing)"):
            opened(tmp_path / "s")


def test_link_back_to_a_folder_above_is_refused(opened, tmp_path):
    """A circle would list for ever."""
    put(tmp_path / "s/a/1.png")
    (tmp_path / "s/a/again").symlink_to(tmp_path / "s")
    with pytest.raises(UnsafeLinkError, match="leads back"):
        opened(tmp_path / "s")


def test_digest_sees_the_files_but_not_where_they_lie(opened, tmp_path):
    """A copy with its times has the digest of the original; a touched file changes it."""
    first = write_source(tmp_path / "first")
    shutil.copytree(first, tmp_path / "second")
    assert opened(first).digest == opened(tmp_path / "second").digest
    os.utime(tmp_path / "second/train/n00000001/a.png", ns=(1, 1))
    assert opened(first).digest != opened(tmp_path / "second").digest


def test_file_that_changed_since_it_was_listed_is_noticed(opened, tmp_path):
    """Another size, or no file, is an error of the data."""
    path = put(tmp_path / "s/a/1.png")
    source = opened(tmp_path / "s")
    path.write_bytes(b"x")
    with pytest.raises(SourceChangedError, match="1 bytes"):
        source.read(0)
    path.unlink()
    with pytest.raises(SourceChangedError, match="gone"):
        source.read(0)


def test_name_goes_before_folder_and_unknown_names_have_a_mend(tmp_path, monkeypatch):
    """A registered name is its folder; a word is no path; a path is no name."""
    workspace = Workspace(tmp_path / "w")
    workspace.add_data("pets", write_source(tmp_path / "s"))
    assert open_source(workspace, "pets").name == "pets"
    with pytest.raises(UnknownDataError, match="no data set is named 'in1k'"):
        open_source(workspace, "in1k")
    with pytest.raises(MissingInputError, match="source not found"):
        open_source(workspace, str(tmp_path / "missing"))
    with pytest.raises(SourceLayoutError, match="it is a file"):
        open_source(workspace, str(put(tmp_path / "file.png")))


def test_count_of_a_source_and_of_a_shard_set(tmp_path, source_folder, shards_folder):
    """`data check` counts without decoding, whatever the form."""
    workspace = Workspace(tmp_path / "w")
    for name, folder in (("raw", source_folder), ("packed", shards_folder)):
        workspace.add_data(name, folder)
        found = counted(workspace, name, None).record(name)
        assert (found["labels"], found["images"]) == (6, 24)
        assert found["splits"] == {"train": 18, "test": 6}
        assert found["form"] == ("source" if name == "raw" else "shards")
