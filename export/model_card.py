"""What an export says of itself, in ONNX metadata and in a `model.json`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import iic_tf
from iic_tf.annotations import Facts, Json
from iic_tf.errors import InputError
from iic_tf.export.form import Form
from iic_tf.export.servable import INPUT, LABELS, Servable, outputs
from iic_tf.export.served_run import background_of, trained_bands
from iic_tf.models.served import NO_LABEL
from iic_tf.training.answer import Answer
from iic_tf.training.meaning import FINE_TUNED, start_of_hash
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run

if TYPE_CHECKING:
    from iic_tf.models.served import ServedSegmenter
    from iic_tf.models.served_clusterer import ServedClusterer

CARD = "model.json"
MAKER = "iic-tf"

Card = Mapping[str, Any]
"""Values that have a place in JSON, by name."""


def card_of(run: Run, answer: Answer, head: str, form: Form) -> Json:
    """What is to be known of an exported run; `docs/export.md` has the table of it.

    Args:
        run: the run.
        answer: what it answers with.
        head: what that is, in a word: classes, main, overclusters or groups.
        form: in which the model is exported.
    """
    served, config, recipe = answer.served, run.config(), run_recipe(run)
    fine_tuned = answer.meaning is not None and answer.meaning.head == FINE_TUNED
    kept = run.fine_tuned if fine_tuned else run.best
    versions = config.get("versions")
    return {
        "made_by": f"{MAKER} {iic_tf.__version__}",
        "task": recipe.task,
        "answers": head,
        "classes": _classes(answer),
        "bands": _bands(served, trained_bands(run)),
        "chosen_bands": trained_bands(run),
        "input": {INPUT: form.pixels},
        "outputs": {name: form.labels if name == LABELS else "float32" for name in outputs(form)},
        **(_tiles(served, form, config) if "height" in served.axes else _whole(served, run)),
        "recipe": recipe.name,
        "method": recipe.method,
        "seed": config.get("seed"),
        "data_set": _data_set(config),
        "data": _digest(config),
        "model": start_of_hash(kept),
        "trained": saved_at(kept),
        "versions": versions if isinstance(versions, dict) else None,
    }


def _classes(answer: Answer) -> list[Json]:
    entries = zip(answer.numbers.tolist(), answer.names, answer.colours, strict=True)
    return [
        {"number": number, "name": name, "colour": "#" + bytes(colour).hex()}
        for number, name, colour in entries
    ]


def _bands(served: Servable, chosen: str | None) -> list[Json]:
    count = served.model.channels
    names = [] if chosen is None else [name.strip() for name in chosen.split(",")]
    if len(names) != count:
        names = [str(number) for number in range(1, count + 1)]
        chosen = None
    ranges = zip(names, served.low.tolist(), served.high.tolist(), strict=True)
    bands = [{"name": name, "low": low, "high": high} for name, low, high in ranges]
    if chosen is not None and all(name.isdecimal() for name in names):
        return [{**band, "number": int(band["name"])} for band in bands]
    return bands


def _tiles(served: ServedSegmenter, form: Form, config: Facts) -> Json:
    return {
        "no_data": None if form.integer else NO_LABEL,
        "resolution": config.get("resolution"),
        "margin": served.margin,
        "align": served.align,
        "whole_scene": bool(served.scene_features),
        "scene_features": served.scene_features or None,
    }


def _whole(served: ServedClusterer, run: Run) -> Json:
    return {"size": served.side, "background": background_of(run)}


def _data_set(config: Facts) -> str | None:
    name = config.get("source", {}).get("dataset")
    return None if name is None else str(name)


def _digest(config: Facts) -> str | None:
    """Of the names and sizes of the training's images; None in runs that kept none."""
    data = config.get("data")
    images = data.get("images") if isinstance(data, dict) else None
    found = images.get("sha256") if isinstance(images, dict) else None
    return None if found is None else str(found)


def saved_at(model: Path) -> str | None:
    """When a Keras file was written, ISO 8601 in the training machine's time, as the file says.

    A copy of a run has other times than its files had.
    """
    try:
        with zipfile.ZipFile(model) as parts:
            said = json.loads(parts.read("metadata.json"))
        return str(said["date_saved"]).replace("@", "T")
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def card_texts(card: Card) -> dict[str, str]:
    """A text for each value that is there: text as it is, all else in JSON."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in card.items()
        if value is not None
    }
    # Lone surrogates, as JSON may hold, are no text for protocol buffers.
    return {n: t.encode("utf-8", "backslashreplace").decode() for n, t in texts.items()}


def card_path(path: Path) -> Path:
    """Where the card of an ONNX file goes: `model.json` beside `model.onnx`."""
    beside = path.with_suffix(".json")
    return beside if beside != path else path.with_name(f"{path.name}.json")


def require_card(path: Path) -> None:
    """Refuse to replace a file that no export wrote: a run's own values, say.

    Raises:
        InputError: the file is another one, or none that can be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    made_by = found.get("made_by") if isinstance(found, dict) else None
    if not str(made_by).startswith(MAKER):
        raise InputError(
            f"Expected the place of an export's {CARD}; received {path}, which is something else. "
            "Nothing was changed."
        )
