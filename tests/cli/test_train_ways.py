"""Models and ways of computing from the command line: what is refused, and what is said."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest
from shapes import TINY_RECIPE, build_shapes, label_map


@pytest.fixture(scope="module")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training and 5 test images of each of four labels."""
    return build_shapes(tmp_path_factory.mktemp("ways"))


@pytest.fixture
def given(tmp_path: Path, shapes_folder: Path) -> tuple[object, ...]:
    """Options of a pretraining that takes a moment."""
    label_map([[0], [0], [1], [1]], ("top", "bottom")).write(tmp_path / "map.parquet")
    (tmp_path / "tiny.toml").write_text(TINY_RECIPE)
    labels, recipe = tmp_path / "map.parquet", tmp_path / "tiny.toml"
    return ("--shards", shapes_folder, "--labels", labels, "--recipe", recipe, "--epochs", 1)


def _refused(outcome, code, *words):
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    for word in words:
        assert word in outcome.err


def test_ways_of_computing_are_no_part_of_a_run(granctl, given) -> None:
    """What was made recomputed is found without."""
    first = granctl("pretrain", *given, "--recompute", "--json", "--quiet").json
    again = granctl("pretrain", *given, "--json").json
    assert again == {**first, "made": False}
    assert "precision" not in first
    assert first["computed"] == "cpu, float32"


def test_precision_is_a_part_of_a_run(granctl, given) -> None:
    """Another one is another run, which says it."""
    first = granctl("pretrain", *given, "--json", "--quiet").json
    other = granctl("pretrain", *given, "--set", "precision=bfloat16", "--json", "--quiet").json
    assert other["computed"] == "cpu, bfloat16"
    assert other["digest"] != first["digest"]


def test_models_and_keys_that_are_not_there(granctl, given) -> None:
    """Near names; nothing is written."""
    wrong = granctl("pretrain", *given, "--set", 'model={name="vit_b16"}', "--set", "precison=1")
    _refused(wrong, 2, "2 faults", "did you mean vit_b_16", "did you mean precision?")


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_models_of_timm_name_the_extra(granctl, given) -> None:
    """Before anything is written."""
    model = 'model={name="timm/vit_tiny_patch16_224"}'
    found = granctl("pretrain", *given, "--set", model, "--set", "input.resolution=32")
    _refused(found, 2, "needs a package that is not installed", "pip install 'granctl[timm]'")


def test_one_process_has_nothing_to_shard(granctl, given) -> None:
    """The mend is to leave it out or to start several."""
    found = granctl("pretrain", *given, "--fsdp")
    _refused(found, 2, "--fsdp: one process has nobody to share with", "start several")


@pytest.mark.slow
def test_a_step_that_cannot_fit_ends_before_the_first(granctl) -> None:
    """4,000 images of ViT-B/16 at once: the kernel once killed this; here it is said at once."""
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") > 600 * 2**30:
        pytest.skip("this machine has more than 600 GiB of memory")
    assert granctl("shards", "build").code == 0
    assert granctl("tree", "cut", "--depth", 5).code == 0
    found = granctl("pretrain", "--recipe", "vit-b16-in21k")
    _refused(found, 4, "a step of 4000 images at once needs at least", "--set accumulate=")
