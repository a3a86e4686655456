"""The methods by name, each for the kinds of data that it knows."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from iic_tf.annotations import Facts
from iic_tf.errors import expected
from iic_tf.training.recipe import Recipe
from iic_tf.training.values import known

R = TypeVar("R", bound=type[Recipe])


@dataclass
class Method:
    """A method that is registered.

    Attributes:
        name: as on the command line.
        about: one line.
        paper: authors, year, where.
        recipes: its values and what it does, by the task.
    """

    name: str
    about: str
    paper: str
    recipes: dict[str, type[Recipe]] = field(default_factory=dict)


_REGISTERED: dict[str, Method] = {}
_OLD_NAMES = {
    "iic-segmentation": ("iic", "segmentation"),
    "iic-clustering": ("iic", "clustering"),
}
"""How recipes of before 0.2 name method and task."""


def method(name: str, about: str, paper: str) -> Callable[[R], R]:
    """Register a recipe class under a method's name, for the task that it is of."""

    def register(recipe: R) -> R:
        found = _REGISTERED.setdefault(name, Method(name, about, paper))
        found.recipes[recipe.task] = recipe
        recipe.method = name
        return recipe

    return register


@cache
def methods() -> dict[str, Method]:
    """All methods by name: every module in this folder registers its own."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
    return dict(sorted(_REGISTERED.items()))


def method_of(name: str) -> Method:
    """A method by its name.

    Raises:
        InputError: there is none of that name.
    """
    # A list, for all that a file may say.
    if name not in list(methods()):
        raise expected(f"one of {', '.join(methods())}", name, "method")
    return methods()[name]


def recipe_class(name: str, task: str | None = None) -> type[Recipe]:
    """The recipe class of a method for a task; None: its first one.

    Raises:
        InputError: an unknown method, or one that does not know this task.
    """
    name, task = _OLD_NAMES.get(name, (name, task)) if isinstance(name, str) else (name, task)
    recipes = method_of(name).recipes
    if task is None:
        return next(iter(recipes.values()))
    known_tasks = list(dict.fromkeys(t for other in methods().values() for t in other.recipes))
    if task not in known_tasks:
        raise expected(f"a task, one of {', '.join(known_tasks)}", task, "task")
    if task not in recipes:
        able = [other.name for other in methods().values() if task in other.recipes]
        raise expected(f"a method for {task}, one of {', '.join(able)}", name, "method")
    return recipes[task]


def recipe_of(values: Facts, lenient: bool = False) -> Recipe:
    """The recipe of plain values; their `method` and `task` say which kind it is.

    Args:
        values: by name.
        lenient: leave out what the method does not know: of another version's run.

    Raises:
        InputError: an unknown method or name, or a value that does not fit.
    """
    rest = dict(values)
    kind = recipe_class(rest.pop("method", "iic"), rest.pop("task", None))
    return kind(**(known(kind, rest) if lenient else rest))
