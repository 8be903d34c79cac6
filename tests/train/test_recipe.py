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
