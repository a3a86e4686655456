"""What `iic-tf compare` may be told, and the comparison that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from iic_tf.annotations import Json
from iic_tf.errors import UnfinishedError
from iic_tf.options import Given, Option
from iic_tf.train_plan import overrides, place_of, train_options

COMPARE_EXAMPLES = """\
For example:
  iic-tf compare --data tiles --masks masks --class-file classes.yaml --classes 3
    --methods iic,infoseg,isola,kmeans:pixels,kmeans:statistics --minutes 5 --out compared
  iic-tf compare --dataset mnist --data mnist --methods iic,dec,iic+lamb=1.1 --seeds 1 --out digits

A comparison that was stopped goes on by the same command.
"""

_NOT_OF_COMPARISONS = (
    *(
        "seed",
        "seeds",
        "processes",
        "consensus",
        "overwrite",
        "resume",
        "devices",
        "ray_workers",
        "minutes",
        "method",
        "recipe",
        "out",
    ),
)


_FREQUENT = ("dataset", "data", "masks", "class_file", "classes", "downscale", "use_masks")


def compare_options() -> list[Option]:
    """The methods and own options, and those of training that say what is learned."""
    methods = "METHOD[:FEATURES][@RECIPE][+NAME=VALUE...], commas between; see: iic-tf methods"
    own = [
        Option("methods", str, methods, "A,B,...", required=True),
        Option(
            "out", str, "folder of the comparison, new or one to go on with", "DIR", required=True
        ),
        Option("seeds", int, "runs of each method, of seeds from 0", "N", default=3),
        Option("minutes", float, "of training for each run", "M", default="as recipes have it"),
        Option("processes", int, "runs side by side; they share the cores", "N", default=1),
        Option("recipe", str, "that says what the data need", "R", default="the data set's, small"),
    ]
    rest = [
        replace(option, rare=option.rare or option.name not in _FREQUENT)
        for option in train_options()
        if option.name not in _NOT_OF_COMPARISONS
    ]
    return [*own, *rest]


def compare(given: Given, say: Callable[[str], None], command: str) -> None:
    """Carry the comparison out, and write what it found.

    Raises:
        InputError: anything unfit in methods, recipes or data.
        UnfinishedError: a run failed; all else is there.
    """
    from iic_tf.training.studies.columns import base_recipe, columns

    dataset = given.get("dataset", "folder")
    base = base_recipe(dataset, given.get("classes"), given.get("recipe"))
    found = columns(given["methods"], base, overrides(given))
    from iic_tf.export.compare_page import write_page
    from iic_tf.training.studies.compare import Comparison
    from iic_tf.training.studies.compare import compare as carry_out
    from iic_tf.training.studies.compare_tables import table, write_tables

    numbers: Json = {
        name: given[name] for name in ("seeds", "minutes", "processes") if name in given
    }
    comparison = Comparison(found, place_of(given, dataset), command=command, **numbers)
    met = carry_out(comparison, given["out"], say)
    for line in table(met).markdown().splitlines():
        say(line)
    say(f"written: {', '.join(map(str, [*write_tables(met), write_page(met)]))}")
    if met.failed:
        raise UnfinishedError
