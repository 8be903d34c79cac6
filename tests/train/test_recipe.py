"""Recipes: those that come with granctl, and what is refused."""

import dataclasses

import pytest

from granctl.errors import BadOptionError, SpecError, UnknownRecipeError
from granctl.train.recipe import load_recipe, recipe_names, recipe_text, settings


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_says_its_source_and_does_not_handicap_scratch(name):
    """The file cites a source; training alone takes as many steps as finetuning."""
    recipe = load_recipe(name)
    assert recipe.name == name
    assert "# Source:" in recipe_text(name)
    same = ("steps", "batch_size", "augment", "clip")
    for field in same:
        assert getattr(recipe.scratch, field) == getattr(recipe.finetune, field), field


def test_dotted_settings_change_one_value_each():
    """Numbers, words and tables, as TOML has them."""
    changes = settings(
        ["optimizer.lr=0.5", "optimizer.name=sgd", "augment={kind='none'}"], epochs=2
    )
    recipe = load_recipe("embedded-resnet", changes)
    assert (recipe.optimizer.lr, recipe.optimizer.name) == (0.5, "sgd")
    assert recipe.augment.kind == "none"
    assert recipe.epochs == 2


def test_all_faults_are_listed_at_once():
    """Unknown keys with near matches, wrong types and wrong values, each with its place."""
    changes = {"optimizer.learning": 1, "epoch": 3, "batch_size": 0, "model.patch": 7}
    with pytest.raises(SpecError) as caught:
        load_recipe("embedded-resnet", changes)
    text = caught.value.message
    assert "epoch: unknown key; did you mean epochs?" in text
    assert "optimizer.learning: unknown key" in text
    assert "model.patch: small-resnet does not take it" in text


def test_unknown_models_and_values_of_models_are_faults():
    """Near names; what a model does not take; patches and resolutions; layers of a head."""
    changes = {"model": {"name": "vit_b16"}}
    with pytest.raises(
        SpecError, match=r"no model is named 'vit_b16' \(.*\); did you mean vit_b_16"
    ):
        load_recipe("resnet34", changes)
    with pytest.raises(SpecError, match="timm's are timm/NAME"):
        load_recipe("resnet34", {"model": {"name": "timm/"}})
    changes = {
        "model.dropout": 0.5,
        "model.stochastic_depth": 1.5,
        "optimizer.layer_decay": 1.5,
        "precision": "float16",
    }
    with pytest.raises(SpecError) as caught:
        load_recipe("resnet34", changes)
    text = caught.value.message
    assert "model.dropout: resnet34 does not take it" in text
    assert "model.stochastic_depth: 1.5 is not in 0..1" in text
    assert "optimizer.layer_decay: 1.5 is not above 0 and at most 1" in text
    assert "precision: 'float16' is none of auto, float32, bfloat16" in text
    changes = {
        "input.resolution": 100,
        "input.eval_resize": 100,
        "finetune.resolution": 383,
        "linear.optimizer.layer_decay": 0.5,
    }
    with pytest.raises(SpecError) as caught:
        load_recipe("vit-b16-in21k", changes)
    text = caught.value.message
    assert "input.resolution: 100 is no multiple of the 16 pixels of a patch of vit_b_16" in text
    assert "finetune.resolution: 383 is no multiple" in text
    assert "linear.optimizer.layer_decay: a head alone has no layers" in text


def test_another_resolution_moves_what_is_cropped_from_with_it():
    """256 before a crop of 224 are 439 before one of 384."""
    recipe = load_recipe("resnet34")
    larger = recipe.at_resolution(384).input
    assert (larger.resolution, larger.eval_resize) == (384, 439)
    assert recipe.at_resolution(None) is recipe is recipe.at_resolution(224)


def test_unknown_recipe_names_the_nearest():
    """A misspelt name."""
    with pytest.raises(UnknownRecipeError) as caught:
        load_recipe("embedded-restnet")
    assert "did you mean embedded-resnet" in caught.value.hint


def test_set_without_a_value_is_refused():
    """KEY=VALUE is asked for."""
    with pytest.raises(BadOptionError, match=r"optimizer\.lr"):
        settings(["optimizer.lr"])


def test_a_file_is_a_recipe_named_by_its_stem(tmp_path):
    """What is written beside granctl works as what comes with it."""
    path = tmp_path / "mine.toml"
    path.write_text(recipe_text("embedded-vit"))
    mine = dataclasses.replace(load_recipe(str(path)), name="embedded-vit")
    assert mine == load_recipe("embedded-vit")
