"""`iic-tf train --seeds N`: what was typed, as runs of several seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iic_tf.annotations import Json
from iic_tf.errors import InputError, UnfinishedError, expected
from iic_tf.options import Given
from iic_tf.run_verbs import report_of
from iic_tf.train_plan import OF_RUN, plan


def asks_for_seeds(given: Given) -> bool:
    """Whether several seeds are to be trained: as asked, or those of the folder to resume."""
    if {"seeds", "processes", "consensus"} & set(given):
        return True
    from iic_tf.training.seeds_file import is_of_seeds

    return bool(given.get("resume")) and is_of_seeds(Path(given["out"]))


def train_several(given: Given, say: Callable[[str], None], command: str) -> None:
    """Train the seeds, and write the page of each run.

    Raises:
        InputError: anything unfit in the values or the data, or several machines or devices.
        UnfinishedError: a run failed; all others are kept.
    """
    from iic_tf.training.seeds_file import is_of_seeds, read_seeds
    from iic_tf.training.strategy import workers

    out, resume = Path(given["out"]), given.get("resume", False)
    kept: Json | None = read_seeds(out) if resume and is_of_seeds(out) else None
    if "seeds" not in given and kept is None:
        names = " and ".join(f"--{n}" for n in ("processes", "consensus") if n in given)
        raise InputError(f"Expected --seeds N beside {names}; received none.")
    for name in ("devices", "ray_workers"):
        if name in given:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(
                f"Expected no {flag} beside --seeds, of which each is a process of its own on this "
                f"machine; received {flag} {given[name]}."
            )
    if workers() > 1:
        raise InputError(
            "Expected --seeds on one machine; received TF_CONFIG, by which several train one run."
        )
    from iic_tf.training.seeds import SeveralSeeds, train_seeds
    from iic_tf.training.studies.columns import recipe_of_values

    first = kept["seeds"][0] if kept else 0
    if kept and not set(given) - OF_RUN:
        recipe, place = recipe_of_values(kept["recipe"]), kept["source"]
        seed = given.get("seed", first)
    else:
        recipe, place, seed = plan(given)
    count = given.get("seeds", len(kept["seeds"]) if kept else 0)
    if count < 1:
        raise expected("at least 1 seed", count, "seeds")
    several = SeveralSeeds(
        recipe,
        place,
        range(seed, seed + count),
        minutes=given.get("minutes", kept["minutes"] if kept else None),
        processes=given.get("processes"),
        consensus=given.get("consensus", bool(kept and kept.get("consensus"))),
        command=command,
    )
    found = train_seeds(several, out, given.get("overwrite", False), resume, say)
    for run in (*found.runs.values(), *([found.consensus] if found.consensus else [])):
        report_of(run, say)
    if found.failed:
        raise UnfinishedError
