"""Going on with a run that was stopped: the same values, the newest good checkpoint."""

from __future__ import annotations

import json
from typing import Any

import keras

from iic_tf.annotations import Json
from iic_tf.data.fingerprint import MASKS, differences, touched
from iic_tf.data.registry import source_from_dict
from iic_tf.errors import InputError
from iic_tf.training.checkpoints import FORM, Checkpoint
from iic_tf.training.json_files import plain_json
from iic_tf.training.model_file import check_model_file
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.run_config import CONSENSUS

_TOLD = {"about"}
"""Of a recipe what is told of it and changes nothing: a version may say it in other words."""


def check_same(run: Run, config: Json) -> list[str]:
    """Refuse to go on with other values or other data than a run began with.

    Args:
        run: the run.
        config: the configuration that it would begin with now.

    Returns:
        A line for the user where the data seem to be the same, but their files are not as old.

    Raises:
        InputError: the recipe, the data set's options, the seed or the data differ.
    """
    began, now = run.config(), json.loads(plain_json(config))
    if CONSENSUS in began:
        raise InputError(
            f"Expected a run that was trained, to resume it; received {run.folder}, which was made "
            "of several."
        )
    # A version that knows more values, or fewer, is no other value.
    began["recipe"] = json.loads(plain_json(run_recipe(run).to_dict()))
    began["source"] = json.loads(plain_json(source_from_dict(began.get("source", {})).to_dict()))
    different = []
    for key in ("recipe", "source"):
        old, new = began.get(key, {}), now[key]
        different += [
            f"{name} {new.get(name)} (began with {old.get(name)})"
            for name in sorted({*old, *new} - _TOLD)
            if old.get(name) != new.get(name)
        ]
    if began.get("seed") != now["seed"]:
        different.append(f"seed {now['seed']} (began with {began.get('seed')})")
    if different:
        raise InputError(
            f"Expected the values that {run.folder} began with, to resume it; received "
            f"{', '.join(different)}. To train on other values, choose another --out."
        )
    return _check_data(run, began, now)


def _check_data(run: Run, began: Json, now: Json) -> list[str]:
    old, new = began.get("data"), now.get("data")
    if not isinstance(old, dict) or not isinstance(new, dict):
        # Older runs keep no more of their data than how many images there were.
        counts = began.get("images"), now.get("images")
        different = [f"{counts[1]} images in place of {counts[0]}"] if None not in counts else []
        different = different if counts[0] != counts[1] else []
        notes = []
    else:
        different = differences(old, new)
        masks = differences(old, new, MASKS)
        if now["recipe"].get("masks"):  # Training looks at them.
            different += masks
            masks = []
        notes = [*masks, *touched(old, new), *touched(old, new, MASKS)]
    if different:
        raise InputError(
            f"Expected the data that {run.folder} began with, to resume it; received other ones: "
            f"{'; '.join(different)}. To train on other data, choose another --out."
        )
    if not notes:
        return []
    return [f"note: the data are not quite those that the run began with: {'; '.join(notes)}"]


def load(checkpoint: Checkpoint) -> Any:
    """The model of a checkpoint, compiled, with its optimiser's state."""
    import iic_tf  # noqa: F401 (registers the classes)

    if checkpoint.form != FORM:
        raise InputError(
            f"Expected a checkpoint of form {FORM}, in which each head's optimiser counts its own "
            f"steps; received {checkpoint.folder} of form {checkpoint.form}, which commit "
            "63b3f16 resumes. Predicting, evaluating and exporting work here."
        )
    check_model_file(checkpoint.model)
    try:
        return keras.models.load_model(checkpoint.model)
    except Exception as error:
        # Whatever Keras and HDF5 come upon in a file that somebody else may have written.
        said = str(error)[:300] or type(error).__name__
        raise InputError(
            f"Expected a model that this version can read in {checkpoint.model}; received {said}."
        ) from error
