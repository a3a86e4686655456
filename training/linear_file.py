"""The classifier that labels were fitted to: RUN/linear.npz, and RUN/fine_tuned.keras."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import numpy as np

from iic_tf.errors import InputError
from iic_tf.models.linear_head import LinearHead
from iic_tf.training.atomic import replacing
from iic_tf.training.meaning import FINE_TUNED, model_mark, start_of_hash
from iic_tf.training.model_file import load_model
from iic_tf.training.run import Run


def save_linear(run: Run, linear: LinearHead, head: str) -> None:
    """Keep a fitted head.

    Args:
        run: whose model's features it is of.
        linear: fitted.
        head: `linear`, or `fine-tuned` where it is of the fine-tuned model's features.
    """
    config = {**linear.get_config(), "head": head, "model": model_mark(run)}
    if head == FINE_TUNED:
        # One killed between two writes must not leave a head of another model's features.
        config["fine_tuned"] = start_of_hash(run.fine_tuned)
    weights = {f"weight_{i}": weight for i, weight in enumerate(linear.get_weights())}
    with replacing(run.linear_file) as temporary, temporary.open("wb") as file:
        np.savez(file, config=np.frombuffer(json.dumps(config).encode(), np.uint8), **weights)


def load_linear(run: Run, head: str) -> LinearHead:
    """The fitted head.

    Args:
        run: a run whose classes were named by `head`.
        head: `linear` or `fine-tuned`.

    Raises:
        InputError: there is none, or it is damaged, or of another model.
    """
    again = f"Fit it anew: iic-tf label {run.folder} --head linear"
    try:
        with np.load(run.linear_file, allow_pickle=False) as found:
            config = json.loads(bytes(found["config"]))
            weights = [found[f"weight_{i}"] for i in range(len(found.files) - 1)]
        kept, model = config.pop("head"), config.pop("model")
        tuned = config.pop("fine_tuned", None)
        linear: LinearHead = LinearHead.from_config(config)
        linear.set_weights(weights)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"Expected a fitted classifier in {run.linear_file}; received {error!r}. {again}"
        ) from error
    if (kept, model) != (head, model_mark(run)):
        raise InputError(
            f"Expected a {head} classifier of the model in {run.best} in {run.linear_file}; "
            f"received a {kept} one of {model}. {again}"
        )
    if tuned is not None and run.fine_tuned.is_file() and tuned != start_of_hash(run.fine_tuned):
        raise InputError(
            f"Expected the fine-tuned model that the classifier in {run.linear_file} is of in "
            f"{run.fine_tuned}; received another one. Fine-tune anew: iic-tf label {run.folder} "
            "--fine-tune"
        )
    return linear


def load_fine_tuned(run: Run, kind: Any) -> Any:
    """The fine-tuned model, of a class.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if not run.fine_tuned.is_file():
        raise InputError(
            f"Expected a fine-tuned model in {run.fine_tuned}; received none. Fine-tune anew: "
            f"iic-tf label {run.folder} --fine-tune"
        )
    trained = load_model(run.fine_tuned)
    if not isinstance(trained, kind):
        raise InputError(
            f"Expected {kind.__name__} in {run.fine_tuned}; received {type(trained).__name__}."
        )
    model = kind.from_config({**trained.get_config(), "dtype": "float32"})
    model.set_weights(trained.get_weights())
    return model
