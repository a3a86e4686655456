"""The recipes' files: those of the package by their names, the user's own by their paths."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from iic_tf.errors import InputError, expected
from iic_tf.training.clustering_recipe import ClusteringRecipe
from iic_tf.training.infoseg_recipe import InfoSegRecipe
from iic_tf.training.recipe import Recipe
from iic_tf.training.segmentation_recipe import SegmentationRecipe

RECIPES: dict[str, type[Recipe]] = {
    recipe().method: recipe for recipe in (SegmentationRecipe, InfoSegRecipe, ClusteringRecipe)
}
"""The kind of recipe of each method."""
IIC, INFOSEG = "iic", "infoseg"
METHODS = {
    IIC: (SegmentationRecipe().method, ClusteringRecipe().method),
    INFOSEG: (InfoSegRecipe().method,),
}
"""What people call a method, and what recipes do."""


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("iic_tf.training.recipes")
    return sorted(f.name[: -len(".yaml")] for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_recipe(name: str) -> Recipe:
    """A recipe by its name, or from the user's own file by its path (`mine.yaml`).

    Raises:
        InputError: there is none of that name, or its file does not fit.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise expected("the path of a recipe file", name, "recipe")
        return read_recipe(path.read_text(encoding="utf-8"), path.stem)
    if name not in recipe_names():
        raise expected(
            f"a recipe file (*.yaml) or one of {', '.join(recipe_names())}", name, "recipe"
        )
    file = resources.files("iic_tf.training.recipes") / f"{name}.yaml"
    return read_recipe(file.read_text(encoding="utf-8"), name)


def recipe_for(name: str, method: str) -> Recipe:
    """The recipe of a method that goes by `name`: itself, or its counterpart, as `infoseg-NAME`.

    Args:
        name: as `load_recipe`'s.
        method: `iic` or `infoseg`.

    Raises:
        InputError: an unknown name or method, or there is none of this method.
    """
    if method not in METHODS:
        raise expected(f"one of {', '.join(METHODS)}", method, "method")
    if name.endswith((".yaml", ".yml")):
        candidates = [name]
    else:
        plain = name.removeprefix(f"{INFOSEG}-")
        counterpart = plain if method == IIC else f"{INFOSEG}-{plain}"
        candidates = [name, *({counterpart} & set(recipe_names()))]
    for candidate in candidates:
        recipe = load_recipe(candidate)
        if recipe.method in METHODS[method]:
            return recipe
    there = [n for n in recipe_names() if load_recipe(n).method in METHODS[method]]
    raise expected(
        f"a recipe of method {method}: a file, {', '.join(there)} or the name of one of these "
        f"without {INFOSEG}-",
        name,
        "recipe",
    )


def read_recipe(text: str, name: str) -> Recipe:
    """Parse the text of a recipe file."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"Expected YAML in recipe '{name}'; received {error}.") from error
    if not isinstance(values, dict):
        raise expected(f"names and values in recipe '{name}'", type(values).__name__)
    return recipe_of({**values, "name": name})


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """The recipe of plain values; their `method` says which kind it is."""
    method = values.get("method", SegmentationRecipe().method)
    if method not in RECIPES:
        raise expected(f"a method among {', '.join(RECIPES)}", method, "method")
    return RECIPES[method]().replaced(**values)
