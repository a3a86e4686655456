"""What `iic-tf compare --methods` says: methods, each with its recipe and settings of its own.

    METHOD[:FEATURES][@RECIPE][+NAME=VALUE ...]

`iic`, `iic@aerial-cpu`, `kmeans:pixels`, `iic+lamb=1.5+sub_heads=3`; between them commas.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from iic_tf.annotations import Facts, Json
from iic_tf.errors import InputError, expected
from iic_tf.training.methods.registry import methods, recipe_class
from iic_tf.training.recipe import Recipe
from iic_tf.training.recipe_files import default_recipe, load_recipe, recipe_for, recipe_names
from iic_tf.training.tasks.clustering import CLUSTERING
from iic_tf.training.tasks.segmentation import SEGMENTATION

KMEANS = "kmeans"

FEATURES = {
    SEGMENTATION: ("pixels", "statistics", "sift", "untrained", "trunk"),
    CLUSTERING: ("pixels", "hog", "untrained", "trunk"),
}
"""What k-means may be given, behind a colon."""

_SMALL = {SEGMENTATION: "scenes", CLUSTERING: "mnist"}
"""Of each kind of data the set that methods have recipes of for two CPU cores."""

_OF_DATA = {
    SEGMENTATION: ("downscale", "inputs"),
    CLUSTERING: ("x", "gx", "inputs", "side"),
}
"""Values that are about data: they go from the data's recipe to one made for other data."""


@dataclass(frozen=True)
class Column:
    """A method to be compared.

    Attributes:
        label: as it was typed.
        recipe: all its values.
    """

    label: str
    recipe: Recipe

    @property
    def folder(self) -> str:
        """The label as part of a file's name."""
        return re.sub(r"[^\w.=-]+", "-", self.label)


def base_recipe(dataset: str, classes: int | None = None, name: str | None = None) -> str:
    """The name of the recipe that says what the data need: as given, or for small machines."""
    if name is not None:
        return name
    names = recipe_names()
    small = (f"{dataset}-{classes or 3}-cpu", f"{dataset}-cpu")
    return next((one for one in small if one in names), "") or default_recipe(
        dataset, classes, method=None
    )


def columns(text: str, base: str, overrides: Facts) -> list[Column]:
    """The methods of a text, each with a recipe.

    A method's recipe is the base itself where that is of the method; else the base's counterpart,
    as `infoseg-aerial-cpu` is of `aerial-cpu`; else its own one for two CPU cores, made for scenes
    or for MNIST, with what the base says of the data (scale and inputs; of whole images the views);
    else the base with the method's own values.

    Args:
        text: as `--methods` has it.
        base: name of a recipe, or its file.
        overrides: values that go before those of recipes, each where a recipe knows it.

    Raises:
        InputError: an unknown method, recipe or value; a value that no recipe knows; or a method
            twice.
    """
    data = load_recipe(base)
    parts = [part.strip() for part in re.split(r",(?![^\[{(]*[\]})])", text)]
    found = [_column(part, base, data, overrides) for part in parts]
    labels = [column.folder for column in found]
    for column in found:
        if labels.count(column.folder) > 1:
            raise expected("each method once, or with other settings", column.label, "methods")
    for name, value in overrides.items():
        if not any(name in type(column.recipe).model_fields for column in found):
            raise expected("a value that one of the methods has", value, name)
    return found


def _column(part: str, base: str, data: Recipe, overrides: Facts) -> Column:
    head, *settings = re.split(r"\+(?=[A-Za-z_]\w*=)", part)
    head, _, chosen = head.partition("@")
    name, _, features = head.partition(":")
    _check_method(name, data.task)
    recipe = recipe_for(chosen, name) if chosen else _default(name, base, data)
    if recipe.task != data.task:
        raise expected(f"a recipe for {data.task}", chosen, "recipe")
    own = _features(name, features, recipe) if features else {}
    own |= dict(_setting(one) for one in settings)
    given = {k: v for k, v in overrides.items() if k in type(recipe).model_fields}
    try:
        return Column(part, recipe.replaced(**{**given, **own}))
    except InputError as error:
        raise InputError(f"{error} (method {part})") from error


def _check_method(name: str, task: str) -> None:
    able = [method.name for method in methods().values() if task in method.recipes]
    if name not in able:
        close = difflib.get_close_matches(name, able, n=2)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f"{expected(f'a method for {task} among ' + ', '.join(able), name)}{hint}")


def _default(method: str, base: str, data: Recipe) -> Recipe:
    if data.method == method:
        return data
    names = recipe_names()
    plain = data.name.removeprefix(f"{data.method}-")
    for name in (plain, f"{method}-{plain}"):
        if name in names and load_recipe(name).method == method:
            return load_recipe(name)
    small = f"{method}-{_SMALL[data.task]}-cpu"
    if small not in names or load_recipe(small).task != data.task:
        return recipe_for(base, method)
    recipe = load_recipe(small)
    of_data = {name: getattr(data, name) for name in _OF_DATA[data.task]}
    return recipe.replaced(**of_data, classes=data.classes)


def _features(method: str, features: str, recipe: Recipe) -> Json:
    known = FEATURES[recipe.task]
    if method != KMEANS:
        raise expected(f"features behind {KMEANS} alone", f"{method}:{features}", "methods")
    if features not in known:
        raise expected(f"features among {', '.join(known)}", features, "features")
    if features == "trunk":
        return {}
    if recipe.task == SEGMENTATION:
        return {"features": features, "trunk": ""}
    if features == "untrained":
        return {"trunk": ""}
    # They are made of an image as it is.
    return {"trunk": features, "inputs": "bands"}


def _setting(text: str) -> tuple[str, Any]:
    import yaml

    name, _, value = text.partition("=")
    try:
        return name.strip(), yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise expected(f"a value after {name}=", repr(value)) from error


def recipe_of_values(values: Facts) -> Recipe:
    """A recipe from what its `to_dict` gave."""
    rest = dict(values)
    return recipe_class(rest.pop("method"), rest.pop("task"))(**rest)
