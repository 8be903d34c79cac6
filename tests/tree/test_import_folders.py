"""Class folders: each folder a node, those that directly hold images the labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from granctl.errors import (
    BadOptionError,
    MissingInputError,
    NoImagesError,
    SourceLayoutError,
    TaxonomyFaultsError,
)
from granctl.tree.import_folders import read_folders
from granctl.tree.import_table import read_table

ZOO = ["animal/dog/1.jpg", "animal/cat/1.PNG", "animal/cat/kitten/a.webp", "car/2.jpeg"]
"""cat holds images and a folder of kittens."""


def _tree(root: Path, files: list[str]) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folders_are_nodes_and_image_folders_labels(tmp_path: Path) -> None:
    """Ids are paths; a folder with images and folders is a label with nodes below it."""
    imported = read_folders(_tree(tmp_path, [*ZOO, "animal/readme.txt", ".git/x.png"]))
    taxonomy = imported.taxonomy
    assert imported.labels == ("animal/cat", "animal/cat/kitten", "animal/dog", "car")
    assert taxonomy.ids == (
        *("root", "animal", "car", "animal/cat", "animal/dog", "animal/cat/kitten"),
    )
    assert taxonomy.name(taxonomy.index_of["animal/cat/kitten"]) == "kitten"
    assert len(taxonomy.roots) == 1


def test_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    """The same folders made in another order, elsewhere: the same taxonomy."""
    here = read_folders(_tree(tmp_path / "here", ZOO))
    there = read_folders(_tree(tmp_path / "there", ZOO[::-1]))
    assert here.taxonomy.digest == there.taxonomy.digest
    assert here.labels == there.labels
    assert here.taxonomy.inputs == there.taxonomy.inputs


def test_splits_are_no_nodes(tmp_path: Path) -> None:
    """The folders train and val are taken together."""
    split = [*(f"train/{name}" for name in ZOO[:2]), *(f"val/{name}" for name in ZOO[1:])]
    found = read_folders(_tree(tmp_path / "split", split))
    whole = read_folders(_tree(tmp_path / "whole", ZOO))
    assert found.taxonomy.digest == whole.taxonomy.digest


def test_a_folder_beside_the_splits(tmp_path: Path) -> None:
    """Is it a class or a split? It is refused."""
    with pytest.raises(SourceLayoutError, match="beside the splits train stands fish"):
        read_folders(_tree(tmp_path, ["train/dog/1.jpg", "fish/a/1.jpg"]))


def test_a_class_of_trains_is_a_class(tmp_path: Path) -> None:
    """`train` that holds images is no split."""
    found = read_folders(_tree(tmp_path, ["train/1.jpg", "car/1.jpg"]))
    assert found.labels == ("car", "train")


def test_ids_by_name_and_names_that_repeat(tmp_path: Path) -> None:
    """`--ids name` gives the folders' own names; every name that repeats is a fault."""
    assert read_folders(_tree(tmp_path / "a", ZOO), ids="name").labels == (
        *("cat", "kitten", "dog", "car"),
    )
    twice = _tree(tmp_path / "b", [*ZOO, "toy/dog/1.png", "toy/car/1.png"])
    with pytest.raises(TaxonomyFaultsError) as caught:
        read_folders(twice, ids="name")
    assert caught.value.faults == (
        "toy/car: car stood in car already",
        "toy/dog: dog stood in animal/dog already",
    )
    with pytest.raises(BadOptionError, match="--ids"):
        read_folders(twice, ids="names")


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """Folders without images, and images in no class."""
    imported = read_folders(_tree(tmp_path, [*ZOO, "empty/x/readme.txt", "stray.jpg"]))
    assert "empty" not in imported.taxonomy.index_of
    assert any("left out, for want of images: empty, empty/x" in n for n in imported.notes)
    assert any("in no class" in n for n in imported.notes)


def test_ranks_in_folder_names_give_the_tree_of_the_table(tmp_path: Path) -> None:
    """The folders of iNaturalist 2021 and its table of categories are one taxonomy."""
    ranks = ("kingdom", "phylum", "class", "order", "family", "genus")
    species = [("A", "B", "C", "D", "E", "F", "x"), ("A", "B", "C", "D", "E", "F", "y z")]
    species += [("P", "B", "C", "D", "E", "F", "x")]
    lines = ["\t".join(["image_dir_name", *ranks, "name"])]
    for i, parts in enumerate(species):
        name = "_".join([f"{i:05}", *parts]).replace(" ", "_")
        _tree(tmp_path / "train", [f"{name}/1.jpg"])
        lines.append("\t".join([name, *parts[:-1], f"{parts[-2]} {parts[-1]}"]))
    (tmp_path / "categories.tsv").write_text("\n".join(lines))
    folders = read_folders(tmp_path / "train", ranks="inat21")
    table = read_table(tmp_path / "categories.tsv")
    assert folders.labels == table.labels
    assert folders.taxonomy.digest == table.taxonomy.digest


def test_ranks_that_a_name_does_not_have(tmp_path: Path) -> None:
    """Each such folder is a fault."""
    root = _tree(tmp_path, ["0_a_b/1.png", "1_a/1.png", "2__c/1.png"])
    with pytest.raises(TaxonomyFaultsError) as caught:
        read_folders(root, ranks="_,genus,epithet")
    assert caught.value.faults == (
        "1_a: its name has 2 parts, where --ranks has 3",
        "2__c: genus is empty",
    )
    for ranks in ("_", "genus,genus", "genus,"):
        with pytest.raises(BadOptionError, match="--ranks"):
            read_folders(root, ranks=ranks)


def test_links(tmp_path: Path) -> None:
    """A link to a folder elsewhere is followed; one that leads around is a fault."""
    root = _tree(tmp_path / "zoo", ZOO)
    (root / "van").symlink_to(_tree(tmp_path / "vans", ["1.jpg"]))
    assert "van" in read_folders(root).labels
    (root / "animal" / "all").symlink_to(root)
    with pytest.raises(TaxonomyFaultsError, match="animal/all: the link leads back to a folder"):
        read_folders(root)


def test_names_that_are_not_utf8_or_not_one_line(tmp_path: Path) -> None:
    """Both are faults with the path."""
    root = _tree(tmp_path, ["ok/1.jpg", "two\nlines/1.jpg"])
    (root / b"bad\xff".decode("utf-8", "surrogateescape")).mkdir()
    (root / b"bad\xff/1.jpg".decode("utf-8", "surrogateescape")).touch()
    with pytest.raises(TaxonomyFaultsError) as caught:
        read_folders(root)
    assert len(caught.value.faults) >= 2
    assert all("control character" in fault for fault in caught.value.faults)


def test_nothing_to_read(tmp_path: Path) -> None:
    """No such folder; a folder without images."""
    with pytest.raises(MissingInputError):
        read_folders(tmp_path / "none")
    with pytest.raises(NoImagesError, match="2 other files"):
        read_folders(_tree(tmp_path, ["a/x.txt", "b/y.txt"]))


def test_a_folder_named_root(tmp_path: Path) -> None:
    """The made-up root needs another name."""
    root = _tree(tmp_path, ["root/1.jpg", "b/1.jpg"])
    with pytest.raises(TaxonomyFaultsError, match="say --root ANOTHER"):
        read_folders(root)
    assert read_folders(root, root="all").taxonomy.ids[0] == "all"
