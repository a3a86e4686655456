"""What `iic-tf study` may be told, and the study that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from iic_tf.annotations import Json
from iic_tf.errors import expected
from iic_tf.options import Given, Option
from iic_tf.train_plan import plan, train_options

STUDY_EXAMPLES = """\
For example:
  iic-tf study labels --data mnist --recipe mnist-star-cpu --out studies/mnist

A study that was stopped goes on by the same command.
"""

_FREQUENT = ("dataset", "data", "out", "seed", "recipe", "overclusters")

_NOT_OF_STUDIES = (
    *("overwrite", "resume", "devices", "ray_workers", "minutes"),
    *("seeds", "processes", "consensus"),
)


def study_options() -> list[Option]:
    """The study's name and own options, and those of training that say what is learned."""
    about = "labels: accuracy by the number of clusters, and by how few labels name them (IIC*)"
    share = "of labelled images held out as the test part, where the publisher has none"
    own = [
        Option(
            "clusters", str, "shares of the recipe's clusters", "A,B,...", default="1,.5,.25,.125"
        ),
        Option("labels", str, "shares of the labels", "A,B,...", default="1,.5,.25,.1,.01"),
        Option("draws", int, "of labels, for shares below 1", "N", default=5),
        Option("test_share", float, share, "S", default=0.2),
        Option("images", int, "of the training part, drawn", "N", default="all"),
    ]
    name = Option("study", Literal["labels"], about, "STUDY", "arguments", None, True, True)
    rest = [
        replace(option, rare=option.rare or option.name not in _FREQUENT)
        for option in train_options()
        if option.name not in _NOT_OF_STUDIES
    ]
    return [name, *own, *rest]


def study(given: Given, say: Callable[[str], None]) -> None:
    """Carry the study out.

    Raises:
        InputError: a share that is none, or anything unfit in the recipe or the data.
    """
    recipe, place, seed = plan(given)
    from iic_tf.training.studies.labels import LabelStudy, study_labels

    values: Json = {
        name: given[name] for name in ("draws", "test_share", "images") if name in given
    }
    values |= {
        f"{name[:-1]}_shares": _shares(given[name], name)
        for name in ("clusters", "labels")
        if name in given
    }
    study_labels(recipe, place, given["out"], LabelStudy(seed=seed, **values), say)


def _shares(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise expected("shares as 1,0.5,0.25", text, f"--{name}") from error
