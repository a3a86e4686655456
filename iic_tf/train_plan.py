"""What `iic-tf train` may be told, and the plan of a run that is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iic_tf.annotations import Config, Json
from iic_tf.errors import InputError, expected
from iic_tf.options import Given, Option, from_field, from_source

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from iic_tf.training.recipe import Recipe

SHORTCUTS = {
    **{"classes": "K", "overclusters": "K", "epochs": "N", "steps": "N", "batch": "N"},
    **{"crop": "PIXELS", "downscale": "F", "rate": "R", "width": "W", "precision": "P"},
    **{"jit": None, "micro_batches": "N"},
    **{"trunk": "NAME", "trunk_weights": "W", "trunk_strides": "S,S,S", "trunk_bands": "B,B,B"},
    **{"fine_tune_trunk": None},
}
"""Values of recipes with an option of their own, and what stands for them; --set has the others."""


_FREQUENT = {
    *("dataset", "data", "masks", "class_file", "out", "seed", "seeds", "overwrite", "resume"),
    *("method", "recipe", "classes", "overclusters", "epochs", "downscale", "trunk", "use_masks"),
    "set",
}
"""What help shows first."""


def train_options() -> list[Option]:
    """The options of data sets, of a run and of recipes, under these headings."""
    from iic_tf.data.registry import options

    none = "the recipe's, or folder"
    data = [Option("dataset", str, "see: iic-tf datasets", "NAME", default=none)]
    data += [from_source(option) for option in options()]
    run = [
        Option("out", str, "run folder, new or empty", "RUN", required=True),
        Option("seed", int, "of weights and draws", "N", default=0),
        Option("seeds", int, "N runs; the one most agreed on answers", "N"),
        Option("processes", int, "of --seeds: runs side by side", "N", default="the cores"),
        Option("consensus", bool, "of --seeds: one model of all, clusters matched"),
        Option("overwrite", bool, "replace an earlier run"),
        Option("resume", bool, "go on with the run in --out, if any"),
        Option("minutes", float, "train for so long: the schedule is made to fit", "M"),
        Option("devices", str, "GPUs to spread batches over", "N|all|GPU:0,..", default=1),
        Option("ray_workers", int, "spread each batch over N Ray workers (extra: ray)", "N"),
    ]
    recipe = [
        Option("method", str, "see: iic-tf methods", "M", default="the recipe's"),
        Option(
            "recipe",
            str,
            "see: iic-tf recipes; or mine.yaml",
            "R",
            default="the data set's, or dictionary",
        ),
        *_recipe_options(),
        Option("set", list[str], "any other value of a recipe; again for more", "NAME=VALUE"),
    ]
    groups = {"data": data, "run": run, "recipe (goes before the recipe's own values)": recipe}
    return [
        replace(option, group=name, rare=option.name not in _FREQUENT)
        for name, many in groups.items()
        for option in many
    ]


def _recipe_options() -> list[Option]:
    fields = _recipe_fields()
    found = [
        from_field(name, fields[name], metavar)
        for name, metavar in SHORTCUTS.items()
        if name in fields
    ]
    # Shorter than the precisions' names in Keras; --masks is the folder of the data.
    found = [replace(o, kind=str) if o.name in ("precision", "trunk_strides") else o for o in found]
    return [*found, Option("use_masks", bool, "train only where a class is known")]


def _recipe_fields() -> dict[str, FieldInfo]:
    """The fields of all methods' recipes by name, each as the first one has it."""
    from iic_tf.training.methods.registry import methods

    recipes = [recipe for method in methods().values() for recipe in method.recipes.values()]
    return {n: f for recipe in reversed(recipes) for n, f in recipe.model_fields.items()}


def plan(given: Given) -> tuple[Recipe, Json, int]:
    """The recipe, where the images are, and the seed: as given, or those of the run to resume."""
    from iic_tf.training.recipe_files import default_recipe, load_recipe, recipe_for, run_recipe
    from iic_tf.training.run import Run

    if given.get("resume") and not set(given) - OF_RUN:
        run = Run.open(given["out"])
        config = run.config()
        seed: Any = given.get("seed", config["seed"])
        return run_recipe(run), config["source"], seed
    values = overrides(given)
    name = given.get("recipe") or default_recipe(
        given.get("dataset", "folder"), given.get("classes"), given.get("method", "iic"), values
    )
    recipe = recipe_for(name, given["method"]) if "method" in given else load_recipe(name)
    recipe = recipe.replaced(**values)
    return recipe, place_of(given, recipe.dataset), given.get("seed", 0)


def place_of(given: Given, dataset: str) -> Json:
    """Where the images are, as plain values of a data set's options.

    Args:
        given: the options.
        dataset: the data set where none is given; a recipe made for one knows it.

    Raises:
        InputError: an unknown data set, or an option that it does not know.
    """
    from iic_tf.data.registry import absolute, check_options, options

    known = {option.name: option for option in options()}
    place = {key: value for key, value in given.items() if key in known}
    dataset = given.get("dataset", dataset)
    check_options(dataset, place)
    paths = {key: absolute(value) for key, value in place.items() if known[key].path}
    return {**place, **paths, "dataset": dataset}


OF_RUN = {
    *("out", "seed", "overwrite", "resume", "devices", "ray_workers", "minutes"),
    *("seeds", "processes", "consensus"),
}
"""Options that say nothing of what is learned, or from what."""


def overrides(given: Given) -> Json:
    """Values that go before the recipe's own."""
    values = {key: value for key, value in given.items() if key in SHORTCUTS}
    if given.get("precision") in ("bfloat16", "float16"):
        # As Keras calls it: bfloat16 alone would have weights in it, too.
        values["precision"] = f"mixed_{given['precision']}"
    if "use_masks" in given:
        values["masks"] = given["use_masks"]
    for pair in given.get("set", ()):
        values |= _setting(pair)
    return values


def _setting(text: str) -> Config:
    import yaml

    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"Expected --set NAME=VALUE; received {text!r}.")
    try:
        return {name.strip(): yaml.safe_load(value)}
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        # ValueError: a date of a month 13, a number of thousands of digits.
        raise expected(f"a value after {name}=", repr(value)) from error
