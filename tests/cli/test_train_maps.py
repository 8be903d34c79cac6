"""`granctl pretrain --also` and `--fine` from the command line."""

from pathlib import Path

import pytest
from shapes import LABELS, TINY_RECIPE, build_shapes, label_map

from granctl.provenance import short
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace


@pytest.fixture(scope="module")
def shapes_folder(tmp_path_factory) -> Path:
    """12 training and 5 test images of each of four labels."""
    return build_shapes(tmp_path_factory.mktemp("cli-maps"))


@pytest.fixture
def given(tmp_path, shapes_folder) -> tuple:
    """Options of a pretraining that takes a moment; maps lie in the test's folder."""
    maps = {
        "leaf": [[0], [1], [2], [3]],
        "rows": [[0], [0], [1], [1]],
        "columns": [[0], [1], [0], [1]],
        "some": [[], [0], [1], [0]],
        "several": [[0, 1], [0], [1], [1]],
    }
    for name, classes in maps.items():
        params = {"level": name}
        labels = label_map(classes, ("a", "b", "c", "d"), method="level", params=params)
        labels.write(tmp_path / f"{name}.parquet")
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE)
    return ("--shards", shapes_folder, "--recipe", tmp_path / "tiny.toml", "--epochs", 1)


def _maps(folder, labels, *pairs):
    options = ["--labels", folder / f"{labels}.parquet"]
    for option, name in zip(pairs[::2], pairs[1::2], strict=True):
        options += [option, folder / f"{name}.parquet"]
    return options


def test_levels_from_the_images_to_a_report(granctl, given, tmp_path, shapes_folder):
    """Says the outputs; the result stands apart from that of the first map alone."""
    several = _maps(tmp_path, "leaf", "--also", "rows", "--also", "some")
    done = granctl("pretrain", *given, *several)
    assert "4 of the label map's 4 classes are present in 48 images" in done.err
    assert "loss levels" in done.err
    assert "the head has 8 outputs, of level-leaf+level-rows+level-some" in done.err
    again = granctl("pretrain", *given, *several, "--json").json
    assert (again["made"], again["head"]["outputs"]) == (False, 8)
    one = granctl("pretrain", *given, *_maps(tmp_path, "leaf")).path
    for run in (done.path, one):
        assert granctl("transfer", "--run", run, "--target", shapes_folder).code == 0
    rows = {row["source"]: row for row in granctl("report", "--json").json["rows"]}
    assert rows["level-leaf+level-rows+level-some"]["family"] == "levels"
    assert (rows["level-leaf"]["family"], rows["level-leaf"]["finest"]) == (
        "taxonomy",
        "level-leaf",
    )


def test_a_fine_head_from_the_images_to_a_result(granctl, given, tmp_path, shapes_folder):
    """Two coarse classes are told, four are in the head."""
    done = granctl("pretrain", *given, *_maps(tmp_path, "rows", "--fine", "leaf"), "--json").json
    assert (done["loss"], done["classes_present"], done["head"]["outputs"]) == ("marginal", 2, 4)
    options = ("--run", done["path"], "--target", shapes_folder, "--method", "linear", "--json")
    source = granctl("transfer", *options).json["source"]
    assert (source["method"], source["cut"]) == ("marginal", "level-rows/level-leaf")


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (("leaf", "--also", "leaf"), ("--also: level-leaf is given twice",)),
        (("rows", "--also", "some", "--fine", "leaf"), ("--fine: ", "leave one of them out")),
        (
            ("leaf", "--also", "several"),
            (f"--also level-several gives 1 label several: {LABELS[0]}", "--policy first"),
        ),
        (("rows", "--fine", "columns"), ("a (a) lies in a (a) and b (b)", "cuts that nest")),
        (("leaf", "--also", "nowhere"), ("label map not found", "granctl tree cut")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_maps_that_cannot_be(granctl, given, tmp_path, maps, words):
    """Each names the option or the map, and the mend."""
    done = granctl("pretrain", *given, *_maps(tmp_path, *maps))
    assert (done.code, done.out) == (2, "")
    for word in words:
        assert word in done.err


def test_a_recipe_of_another_loss_names_the_one_that_fits(granctl, given, tmp_path):
    """And a loss without its maps names their option."""
    levels = _maps(tmp_path, "leaf", "--also", "rows")
    done = granctl("pretrain", *given, *levels, "--set", "loss=sigmoid")
    assert done.code == 2
    assert "hint: say --set loss=levels" in done.err
    done = granctl("pretrain", *given, *_maps(tmp_path, "leaf"), "--set", "loss=marginal")
    assert done.code == 2
    assert "hint: give another one with --fine" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("maps", [("leaf", "--also", "some"), ("rows", "--fine", "leaf")])
def test_resume_check_finds_every_map_of_a_run(granctl, given, tmp_path, maps, workspace_folder):
    """By its digest in the workspace; a copy that is killed ends as the undisturbed one."""
    folder = Workspace(workspace_folder).folder("label-map")
    folder.mkdir(parents=True)
    for path in tmp_path.glob("*.parquet"):
        digest = LabelMap.read(path).digest
        (folder / f"{path.stem}-{short(digest)}.parquet").write_bytes(path.read_bytes())
    run = granctl("pretrain", *given, *_maps(tmp_path, *maps)).path
    options = ("--shards", given[1], "--kills", 1, "--steps", 4, "--json")
    assert granctl("resume-check", run, *options).json["same"]


def test_classes_of_single_images_are_learned(granctl, given, tmp_path, shapes_folder):
    """A map keyed by checksums: random classes of images, so the labels say nothing of them."""
    leaf = tmp_path / "leaf.parquet"
    drawn = ("--random", "--like", leaf, "--per-image", "--shards", shapes_folder)
    labels = granctl("tree", "cut", *drawn).path
    found = granctl("pretrain", *given, "--labels", labels, "--json").json
    assert (found["images"], found["classes_present"], found["made"]) == (48, 4, True)
    single = granctl("tree", "cut", "--per-image", "--shards", shapes_folder).path
    found = granctl("pretrain", *given, "--labels", single, "--json").json
    assert (found["images"], found["classes_present"]) == (48, 48)


@pytest.mark.parametrize("workers", [0, 1])
def test_shards_in_a_bucket_train_as_those_of_a_folder(
    granctl, given, tmp_path, shapes_folder, s3, workers
):
    """The same metrics, as a stream, in this process and by a worker."""
    granctl("shards", "upload", "s3://bucket/shapes", "--shards", shapes_folder)
    ways = ("--labels", tmp_path / "leaf.parquet", "--workers", workers, "--json")
    here = granctl("pretrain", *given, *ways, "--out", tmp_path / "here").json
    given = ("--shards", "s3://bucket/shapes", *given[2:])
    there = granctl("pretrain", *given, *ways, "--out", tmp_path / "there").json
    assert there["made"]
    assert there["train_loss"] == here["train_loss"]
    assert there["held_out"] == here["held_out"]
