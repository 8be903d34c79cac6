"""Rank tables: nodes keyed by path, labels by the data set's ids, every fault with its line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from granctl.errors import BadOptionError, MissingInputError, TaxonomyFaultsError
from granctl.tree.cuts import depth_cut, nodes_of_labels
from granctl.tree.draft import Imported
from granctl.tree.import_table import read_table
from granctl.tree.keep import keep_taxonomy
from granctl.tree.store import load_taxonomy

INAT = Path(__file__).parents[3] / "shared/data/inat/inat2021_categories.tsv"
RANKS = "kingdom,family,genus,name"
MORUS = """\
id,dir,kingdom,family,genus,name
0,0_morus_a,Animalia,Sulidae,Morus,Morus bassanus
1,1_morus_p,Plantae,Moraceae,Morus,Morus alba
2,2_ficus,Plantae,Moraceae,Ficus,Ficus carica
3,3_morus_p,Plantae,Moraceae,Morus,Morus nigra
"""
"""Morus is a genus of gannets and one of mulberries."""


def _file(folder: Path, content: str, name: str = "table.csv") -> Path:
    (folder / name).write_text(content)
    return folder / name


def _counts(imported: Imported) -> list[int]:
    """Classes of the cut at each depth from 1."""
    taxonomy = imported.taxonomy
    labels = nodes_of_labels(taxonomy, imported.labels, "labels")
    depths = range(1, len(taxonomy.rank_starts) - 1)
    return [len(np.unique(depth_cut(taxonomy, labels, depth).values)) for depth in depths]


def test_a_genus_name_in_two_kingdoms_is_two_nodes(tmp_path: Path) -> None:
    """Nodes above the labels are keyed by path; names stay the names."""
    imported = read_table(_file(tmp_path, MORUS), RANKS, "dir")
    taxonomy = imported.taxonomy
    assert _counts(imported) == [2, 2, 3, 4]
    assert imported.labels == ("0_morus_a", "1_morus_p", "2_ficus", "3_morus_p")
    for genus in ("Animalia/Sulidae/Morus/", "Plantae/Moraceae/Morus/"):
        assert taxonomy.name(taxonomy.index_of[genus]) == "Morus"
    assert taxonomy.name(taxonomy.index_of["3_morus_p"]) == "Morus nigra"
    assert imported.notes == ("2 roots are joined under a made-up one, root: Animalia/, Plantae/",)


def test_labels_are_the_last_rank_unless_said(tmp_path: Path) -> None:
    """Without --id a label is called by its own rank; a label may share the name of its group."""
    table = "coarse\tfine\nKiwi\tKiwi\nApple\tGranny-Smith\n"
    imported = read_table(_file(tmp_path, table, "fruit.tsv"), "coarse,fine", root="fruit")
    assert imported.labels == ("Kiwi", "Granny-Smith")
    assert imported.taxonomy.ids == ("fruit", "Kiwi/", "Apple/", "Kiwi", "Granny-Smith")


def test_one_topmost_name_is_the_root(tmp_path: Path) -> None:
    """No root is made up where there is one."""
    imported = read_table(_file(tmp_path, "a,b\nx,y\nx,z\n"), "a,b")
    assert imported.taxonomy.ids == ("x/", "y", "z")
    assert imported.notes == ()


def test_inat_columns_are_known(tmp_path: Path) -> None:
    """A table with iNaturalist's columns needs no --columns, and says what was taken."""
    head = "id,image_dir_name,kingdom,phylum,class,order,family,genus,name\n"
    imported = read_table(_file(tmp_path, head + "0,00_x,A,B,C,D,E,F,F x\n"))
    assert imported.labels == ("00_x",)
    assert "with ids from image_dir_name" in imported.notes[0]
    assert len(imported.taxonomy) == 7


def test_train_json_gives_the_same_tree_as_the_table(tmp_path: Path) -> None:
    """`categories` are found among images and annotations that are not parsed."""
    lines = [line.split(",") for line in MORUS.splitlines()]
    categories = [dict(zip(lines[0], cells, strict=True)) for cells in lines[1:]]
    whole = {
        "info": {"description": 'the "categories": [ of a talk'},
        "images": [{"id": 1, "file_name": "categories"}],
        "categories": [{**c, "id": int(c["id"]), "note": 'a ] and \\" in it'} for c in categories],
        "annotations": [],
    }
    path = _file(tmp_path, json.dumps(whole, indent=1), "train.json")
    alone = _file(tmp_path, json.dumps(categories), "categories.json")
    table = read_table(_file(tmp_path, MORUS), RANKS, "dir")
    for found in (read_table(path, RANKS, "dir"), read_table(alone, RANKS, "dir")):
        assert found.taxonomy.digest == table.taxonomy.digest
        assert found.labels == table.labels


def test_all_faults_at_once_each_with_its_line(tmp_path: Path) -> None:
    """Empty cells, ragged rows and repeated labels in one report."""
    table = MORUS + "4,2_ficus,Plantae,,Ficus,Ficus b\n5,5_x,Plantae,Moraceae,Ficus\n"
    table += "6,1_morus_p,Plantae,Moraceae,Morus,Morus rubra\n7,,A/B,C,D,E\n8,8,A,B/C,D,E\n"
    table += "9,9,A/B,C,D,F\n"
    with pytest.raises(TaxonomyFaultsError) as caught:
        read_table(_file(tmp_path, table), RANKS, "dir")
    assert caught.value.faults == (
        "line 6: family is empty",
        "line 6: 2_ficus stood in line 4 already",
        "line 7: 5 cells, where 6 are due",
        "line 8: 1_morus_p stood in line 3 already",
        "line 9: dir is empty",
        "line 11: the path A/B/C/ is also that of A/ and B/C",
    )


def test_a_label_called_like_a_path(tmp_path: Path) -> None:
    """It is a fault, whichever row comes first; the two are never taken for one node."""
    rows = ["A/,B,x", "y,A,z"]
    for order in (rows, rows[::-1]):
        table = "\n".join(["id,group,name", *order])
        with pytest.raises(TaxonomyFaultsError, match="A/ stood in line 2 already"):
            read_table(_file(tmp_path, table), "group,name", "id")


@pytest.mark.parametrize(
    ("columns", "label_id", "problem"),
    [
        (None, None, "nothing says which columns are ranks; it has: id, dir, kingdom"),
        ("kingdom,famly,name", None, "has no column 'famly'"),
        ("kingdom,name", "wnid", "--id: table.csv has no column 'wnid'"),
        ("kingdom,kingdom", None, "a column stands there twice"),
    ],
)
def test_columns_that_are_not_there(
    tmp_path: Path, columns: str | None, label_id: str | None, problem: str
) -> None:
    """The user hears which, and what there is."""
    with pytest.raises(BadOptionError, match=problem):
        read_table(_file(tmp_path, MORUS), columns, label_id)


@pytest.mark.parametrize("content", ["", "{}", '{"categories": [', "[1, 2", "[3]", "{"])
def test_json_without_categories(tmp_path: Path, content: str) -> None:
    """A fault of the file, or of the entry, never a traceback."""
    with pytest.raises(TaxonomyFaultsError):
        read_table(_file(tmp_path, content, "train.json"), RANKS)


def test_no_such_table(tmp_path: Path) -> None:
    """CSV or JSON."""
    for name in ("none.csv", "none.json"):
        with pytest.raises(MissingInputError):
            read_table(tmp_path / name, RANKS)


@pytest.mark.skipif(not INAT.is_file(), reason="the iNaturalist table is not on this machine")
def test_inaturalist_2021_cuts_at_its_ranks() -> None:
    """Kingdom to species; 4,900 genera, since 16 of 4,884 names stand in two kingdoms."""
    imported = read_table(INAT)
    assert _counts(imported) == [3, 13, 51, 273, 1103, 4900, 10000]
    assert imported.labels[0].startswith("00000_Animalia_Annelida")


def test_ten_thousand_species_read_and_load_quickly(tmp_path: Path) -> None:
    """10,000 labels of 7 ranks: import under 2 s of CPU time, loading under 0.2 s."""
    head = "kingdom,phylum,class,order,family,genus,name\n"
    rows = [
        ",".join([*(f"r{i // 10**k}" for k in (4, 4, 3, 3, 2, 1)), f"species {i}"])
        for i in range(10_000)
    ]
    path = _file(tmp_path, head + "\n".join(rows))
    began = time.process_time()
    from granctl.progress import Silent
    from granctl.workspace import Workspace

    imported = read_table(path)
    artefact = keep_taxonomy(Workspace(tmp_path), imported, None, Silent())
    took_s = time.process_time() - began
    began = time.process_time()
    assert load_taxonomy(artefact.path).digest == imported.taxonomy.digest
    load_s = time.process_time() - began
    assert took_s < 2, took_s
    assert load_s < 0.2, load_s
