"""The recipes' files: those of the package by their names, the user's own by their paths."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from iic_tf.data.registry import SCENES, source_class
from iic_tf.errors import InputError, expected
from iic_tf.networks.named_trunks import DICTIONARY, UNTRAINED, parts_of
from iic_tf.training.memory_estimate import check_memory
from iic_tf.training.methods.registry import method_of, recipe_class, recipe_of
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.clustering import CLUSTERING
from iic_tf.training.tasks.segmentation import SEGMENTATION
from iic_tf.training.trunk_choice import TRUNK


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
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"Expected text in UTF-8 in {name}; received {error}.") from error
        return read_recipe(text, path.stem)
    return _shipped(name)


@cache
def _shipped(name: str) -> Recipe:
    if name not in recipe_names():
        raise expected(
            f"a recipe file (*.yaml) or one of {', '.join(recipe_names())}", name, "recipe"
        )
    file = resources.files("iic_tf.training.recipes") / f"{name}.yaml"
    return read_recipe(file.read_text(encoding="utf-8"), name)


def default_recipe(
    dataset: str,
    classes: int | None = None,
    method: str | None = "iic",
    values: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The name of the recipe for a data set: its own one, where there is any.

    Other scenes are learned on a `dictionary` of their patches, or, where the values name another
    trunk, by the recipe for such; on a trunk from nothing (`folder`) only where that is asked for.

    Args:
        dataset: its name.
        classes: how many are wanted.
        method: which one is wanted; None: several, which are to learn alike.
        values: those that go before the recipe's own.

    Raises:
        InputError: no such data set.
    """
    names = recipe_names()
    kind = source_class(dataset).kind
    own = (dataset, f"{dataset}-{classes or 3}", f"{dataset}-3", f"{dataset}-cpu")
    fallback = _of_scenes(method, values) if kind == SCENES else "images"
    # The recipe `folder` is for the method's own trunk, which other recipes do without.
    return next((name for name in own if name in names and name != "folder"), fallback)


_OF_LEARNED = ("fine_tune_trunk", "width", "inputs")
"""Values that say nothing of a trunk that is not trained."""


def _of_scenes(method: str | None, values: Mapping[str, Any]) -> str:
    if method != "iic" or any(values.get(name) for name in _OF_LEARNED):
        return "folder"
    if TRUNK not in values:
        return DICTIONARY
    asked = {name: values[name] for name in (TRUNK, "trunk_weights") if name in values}
    choice = load_recipe("folder").replaced(**asked)
    if not (choice.foreign and choice.trunk_rests):
        return "folder"
    return DICTIONARY if set(parts_of(choice.trunk)) & set(UNTRAINED) else "pretrained"


def task_of_dataset(dataset: str) -> str:
    """The task that a data set is for."""
    return SEGMENTATION if source_class(dataset).kind == SCENES else CLUSTERING


def recipe_for(name: str, method: str) -> Recipe:
    """The recipe of a method that goes by `name`.

    That is itself; or its counterpart, as `infoseg-NAME` is of NAME; or, where there is none, the
    method's own values with those of the recipe for all that is not the method's.

    Args:
        name: as `load_recipe`'s.
        method: a name of `iic-tf methods`.

    Raises:
        InputError: an unknown name or method, or a method that does not know the recipe's task.
    """
    wanted = method_of(method)
    recipe = load_recipe(name)
    if recipe.method == method:
        return recipe
    plain = name.removeprefix(f"{recipe.method}-")
    for candidate in (plain, f"{method}-{plain}"):
        if candidate in recipe_names() and load_recipe(candidate).method == method:
            return load_recipe(candidate)
    if recipe.task not in wanted.recipes:
        there = [n for n in recipe_names() if load_recipe(n).method == method]
        raise expected(
            f"a recipe of method {method} ({', '.join(there) or 'of its own'}) or one for "
            f"{' or '.join(wanted.recipes)}",
            name,
            "recipe",
        )
    return _adapted(recipe, recipe_class(method, recipe.task))


def _adapted(recipe: Recipe, kind: type[Recipe]) -> Recipe:
    """The values of a recipe that are neither method's, beside the own ones of the other method.

    A value is a method's if it adds it to the task's, or has a default of its own for it.
    """
    task = next(c for c in kind.__mro__ if "task" in vars(c))
    shared = {
        field: getattr(recipe, field)
        for field, info in task.model_fields.items()  # type: ignore[attr-defined]
        if all(one.model_fields[field].default == info.default for one in (kind, type(recipe)))
    }
    about = f"{method_of(kind.method).about} on the data of {recipe.name}"
    return kind(**{**shared, "name": f"{kind.method}-{recipe.name}", "about": about})


def read_recipe(text: str, name: str) -> Recipe:
    """Parse the text of a recipe file."""
    try:
        values: Any = yaml.safe_load(text)
    except RecursionError as error:
        raise expected(f"YAML in recipe '{name}'", "lists too deep in one another") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError: a date of a month 13, a number of thousands of digits.
        raise InputError(f"Expected YAML in recipe '{name}'; received {error}.") from error
    if not isinstance(values, dict):
        raise expected(f"names and values in recipe '{name}'", type(values).__name__)
    for key in values:
        if not isinstance(key, str):
            raise expected(f"names of settings in recipe '{name}'", key)
    if "task" not in values and "dataset" in values:
        values["task"] = task_of_dataset(str(values["dataset"]))
    return recipe_of({**values, "name": name})


def run_recipe(run: Run) -> Recipe:
    """The recipe of a run; what a version before it or after it had besides is left out.

    Raises:
        InputError: no such method, or values that do not fit, or of a model that needs far more
            memory than this machine has.
    """
    recipe = recipe_of(run.config()["recipe"], lenient=True)
    check_memory(recipe.estimate_weights(channels=1), "a model")
    return recipe
