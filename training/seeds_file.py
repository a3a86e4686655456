"""A folder of runs of several seeds: `seeds.json`, which says what is meant by the folder.

OUT/
  seeds.json   seeds, recipe and data that they began with; how each went, how far they agree, which
               one agrees most with the others, and which folder answers for all
  seedN/       the run folder of each seed
  consensus/   the run made of all of them, where it was asked for
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected

SEEDS = "seeds.json"
CONSENSUS_FOLDER = "consensus"


def seed_folder(seed: int) -> str:
    """The name of a seed's run folder."""
    return f"seed{seed}"


def is_of_seeds(folder: Path) -> bool:
    """Whether it is a folder of runs of several seeds, and no run itself."""
    return (folder / SEEDS).is_file() and not (folder / "config.json").is_file()


def read_seeds(folder: Path) -> Json:
    """What `seeds.json` says, in the form that it must have.

    Raises:
        InputError: it cannot be read, or is of another form.
    """
    file = folder / SEEDS
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"Expected a readable file {file}; received {error}.") from error
    if not isinstance(found, dict):
        raise expected(f"names and values in {file}", type(found).__name__)
    seeds = found.get("seeds")
    if not isinstance(seeds, list) or not seeds or not all(map(_is_seed, seeds)):
        raise expected(f"seeds, whole numbers from 0, in {file}", seeds)
    for name, kind in (("recipe", dict), ("source", dict), ("minutes", int | float | None)):
        if not isinstance(found.get(name), kind):
            raise expected(f"{name} as iic-tf train wrote it in {file}", found.get(name))
    known = {seed_folder(seed) for seed in seeds}
    answer = found.get("answers")
    if answer is not None and answer not in {*known, CONSENSUS_FOLDER}:
        raise expected(f"one of its folders as what answers in {file}", answer)
    return found


def answering(folder: Path) -> Path:
    """The run folder that answers for a folder of several seeds.

    Raises:
        InputError: none does yet, or `seeds.json` is damaged.
    """
    found = read_seeds(folder).get("answers")
    if found is None:
        raise InputError(
            f"Expected runs that were trained in {folder}; received none that is done. Go on with: "
            f"iic-tf train --resume --out {folder}"
        )
    return folder / str(found)


def runs_in(folder: Path) -> list[Path]:
    """The runs that are done in a folder of several seeds; any other folder itself.

    Raises:
        InputError: `seeds.json` is damaged.
    """
    if not is_of_seeds(folder):
        return [folder]
    own = [folder / seed_folder(seed) for seed in read_seeds(folder)["seeds"]]
    return [run for run in own if (run / "best.keras").is_file()]


def told_of(folder: Path) -> str | None:
    """A line for people on which run a folder of several seeds stands for; None of other folders.

    Raises:
        InputError: as `answering`.
    """
    if not is_of_seeds(folder):
        return None
    found, answer = read_seeds(folder), answering(folder).name
    count = found.get("done", len(found["seeds"]))
    if answer == CONSENSUS_FOLDER:
        return f"{folder}: {answer}, made of {count} seeds"
    if count == 1:
        return f"{folder}: {answer}, the only seed that is done"
    if count == 2:
        return f"{folder}: {answer}, that of the lowest loss: two cannot outvote each other"
    least = found.get("lowest_loss")
    loss = "the lowest loss chooses it, too" if least == answer else f"the lowest loss: {least}"
    return f"{folder}: {answer}, which of {count} seeds agrees most with the others; {loss}"


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
