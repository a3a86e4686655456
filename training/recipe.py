"""Recipes: short files of values that say how a run is made."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from iic_tf.errors import InputError, expected
from iic_tf.models.turns import MAIN, OVERCLUSTERING, TurnTaking
from iic_tf.views.geometry import Geometry
from iic_tf.views.inputs import check_inputs
from iic_tf.views.photometry import Photometry

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Recipe:
    """Every value of a run. The files in `recipes/` set them; the command line overrides them.

    Attributes:
        name: the recipe's name, that of its file.
        about: its card: paper, command, time, memory and the score to expect.
        dataset: name of the data set it was made for, or `folder` for any.
        classes: clusters of the main head.
        overclusters: clusters of the overclustering head; 0: so many for each class.
        overclusters_per_class: how many.
        downscale: whole factor by which images are scaled down before anything else.
        crop: side of the training crops after scaling down, pixels.
        batch: pairs in a step.
        steps: steps in an epoch; 0: each crop of a grid once.
        epochs: how many.
        rate: Adam's learning rate, at the beginning.
        schedule: `constant` (the papers') or `cosine` (falls to zero over the run).
        width: factor of network C's channel counts.
        sub_heads: sub-heads of each head.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`.
        radius: half the side of the window of displacements, pixels after scaling down.
        lamb, overclustering_lamb: λ of the heads.
        collapsed: one information of the joints summed over displacements.
        turns: heads trained in epoch 0, 1, …, repeated.
        geometry, photometry: what g is drawn from.
        jitter_x: draw colours for x too.
        masks: leave pixels of no class out of training.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        evaluation_steps: batches of fixed pairs on which each epoch's unsupervised loss is taken.
    """

    name: str = "unnamed"
    about: str = ""
    dataset: str = "folder"
    classes: int = 3
    overclusters: int = 0
    overclusters_per_class: int = 5
    downscale: int = 1
    crop: int = 200
    batch: int = 75
    steps: int = 0
    epochs: int = 30
    rate: float = 1e-4
    schedule: str = "constant"
    width: float = 1.0
    sub_heads: int = 1
    inputs: str = "bands"
    radius: int = 10
    lamb: float = 1.0
    overclustering_lamb: float = 1.0
    collapsed: bool = False
    turns: tuple[str, ...] = (OVERCLUSTERING, MAIN)
    geometry: Geometry = dataclasses.field(default_factory=Geometry)
    photometry: Photometry = dataclasses.field(default_factory=Photometry)
    jitter_x: bool = False
    masks: bool = False
    precision: str = "float32"
    evaluation_steps: int = 8

    def __post_init__(self) -> None:
        least = {
            "classes": 2,
            "overclusters_per_class": 1,
            "downscale": 1,
            "crop": 2,
            "batch": 1,
            "epochs": 1,
            "sub_heads": 1,
            "radius": 0,
            "evaluation_steps": 1,
            "steps": 0,
        }
        for key, value in least.items():
            if getattr(self, key) < value:
                raise expected(f"{key} >= {value}", getattr(self, key), key)
        for key in ("rate", "width"):
            if not getattr(self, key) > 0:
                raise expected(f"{key} > 0", getattr(self, key), key)
        for key in ("lamb", "overclustering_lamb"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise expected(f"{key} >= 0 and finite", getattr(self, key), key)
        if self.overclusters and self.overclusters < 2:
            raise expected("at least 2 overclusters", self.overclusters, "overclusters")
        if self.schedule not in ("constant", "cosine"):
            raise expected("schedule constant or cosine", self.schedule, "schedule")
        if self.precision not in PRECISIONS:
            raise expected(f"one of {', '.join(PRECISIONS)}", self.precision, "precision")
        TurnTaking.check_turns(self.turns)
        check_inputs(self.inputs)

    @property
    def head_clusters(self) -> dict[str, int]:
        """K of each head."""
        overclusters = self.overclusters or self.overclusters_per_class * self.classes
        return {MAIN: self.classes, OVERCLUSTERING: overclusters}

    def replaced(self, **values: Any) -> Recipe:
        """A copy with other values, brought to the right types.

        Raises:
            InputError: an unknown name, or a value of the wrong kind.
        """
        return dataclasses.replace(self, **_typed(values))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON or YAML."""
        plain = dataclasses.asdict(self)
        plain["turns"] = list(self.turns)
        plain["geometry"]["scale"] = list(self.geometry.scale)
        return plain


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


def read_recipe(text: str, name: str) -> Recipe:
    """Parse the text of a recipe file."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"Expected YAML in recipe '{name}'; received {error}.") from error
    if not isinstance(values, dict):
        raise expected(f"names and values in recipe '{name}'", type(values).__name__)
    return Recipe().replaced(**{**values, "name": name})


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    kinds = typing.get_type_hints(Recipe)
    typed = {}
    for key, value in values.items():
        if key not in kinds:
            raise expected(f"a setting among {', '.join(sorted(kinds))}", key, "setting")
        typed[key] = _cast(key, kinds[key], value)
    return typed


def _cast(key: str, kind: Any, value: Any) -> Any:
    if kind in (Geometry, Photometry):
        if isinstance(value, kind):
            return value
        names = [f.name for f in dataclasses.fields(kind)]
        if not isinstance(value, dict) or set(value) - set(names):
            raise expected(f"{key} with some of {', '.join(names)}", value, key)
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            # YAML 1.1 reads 1e-4 as text: it asks for a point in the number.
            return float(value)
        except ValueError:
            pass
    if kind is str and isinstance(value, str):
        return value
    if key == "turns" and isinstance(value, list | tuple):
        return tuple(value)
    if key == "turns" and isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    raise expected(f"{getattr(kind, '__name__', kind)} for '{key}'", value, key)
