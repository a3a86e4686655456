"""What an export says of itself, read back: from ONNX metadata, or from a `model.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts, Json
from iic_tf.errors import InputError
from iic_tf.export.legend import Legend

if TYPE_CHECKING:
    import onnxruntime

SEGMENTATION, CLUSTERING = "segmentation", "clustering"

_TEXTS = frozenset(
    {"made_by", "task", "answers", "recipe", "method", "data_set", "data", "model", "trained"}
    | {"chosen_bands", "background"}
)
"""Values that stand in ONNX metadata as they are; all else is JSON there."""

_ALWAYS = ("task", "classes", "bands", "input", "outputs")
_BY_TASK = {SEGMENTATION: ("margin", "align", "whole_scene"), CLUSTERING: ("size",)}


class ExportCard:
    """What predictions have to know of an export.

    Args:
        card: its values by name, as `docs/export.md` has them.
        path: the export, for messages.

    Attributes:
        task: `segmentation` or `clustering`.
        named: whether its labels are classes that somebody named.
        legend: names, colours and numbers, in the order of the probabilities.
        low, high: raw values `[channels]` that become 0 and 1.
        pixels: the type of its input.
        outputs: the names of its outputs.
        bands: which bands it was trained on, as `--bands` gave them; None: all of a file's.
        margin, align, whole_scene: of tiles, for segmentation.
        side, background: of whole images, for clustering.

    Raises:
        InputError: something is missing, or is no such value.
    """

    def __init__(self, card: Facts, path: Path):
        needed = (*_ALWAYS, *_BY_TASK.get(str(card.get("task")), ()))
        missing = [name for name in needed if card.get(name) is None]
        if missing:
            raise InputError(
                f"Expected an export that says what its labels mean and how scenes are cut for it; "
                f"received {path}, whose metadata lack {', '.join(missing)}: it was written by an "
                "earlier version or by another program. Export the run anew (iic-tf export), or "
                "predict with the run itself."
            )
        try:
            self._read(card)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"Expected the metadata of an export as iic-tf writes them; received {path}, where "
                f"they do not fit: {type(error).__name__}: {error}."
            ) from error

    def _read(self, card: Facts) -> None:
        self.task = str(card["task"])
        if self.task not in _BY_TASK:
            raise ValueError(f"task {self.task!r}")
        self.named = card.get("answers") == "classes"
        self.legend = _legend(card["classes"])
        self.low, self.high = (
            np.asarray([float(band[end]) for band in card["bands"]], np.float32)
            for end in ("low", "high")
        )
        self.pixels = str(card["input"]["pixels"])
        self.outputs = tuple(map(str, card["outputs"]))
        self.bands: str | None = card.get("chosen_bands")
        if self.task == SEGMENTATION:
            self.margin, self.align = int(card["margin"]), int(card["align"])
            self.whole_scene = bool(card["whole_scene"])
            if self.margin < 0 or self.align < 1:
                raise ValueError(f"margin {self.margin}, align {self.align}")
        else:
            self.side = int(card["size"])
            self.background = str(card.get("background", "stored"))


def _legend(classes: Any) -> Legend:
    colours: list[NDArray[np.uint8]] = [
        np.frombuffer(bytes.fromhex(one["colour"].removeprefix("#")), np.uint8) for one in classes
    ]
    numbers = np.asarray([int(one["number"]) for one in classes], np.int32)
    # Not more than there are in files of labels.
    if not 0 < len(set(numbers.tolist())) == len(numbers) or not numbers.min() >= 0:
        raise ValueError(f"numbers of classes {numbers.tolist()}")
    names = tuple(str(one["name"]) for one in classes)
    return Legend(names, np.stack(colours).reshape(-1, 3), numbers)


def onnx_card(session: onnxruntime.InferenceSession, path: Path) -> ExportCard:
    """That of a model that ONNX Runtime has loaded.

    Raises:
        InputError: as `ExportCard`.
    """
    found = session.get_modelmeta().custom_metadata_map
    card: Json = {}
    for name, text in found.items():
        try:
            card[name] = text if name in _TEXTS else json.loads(text)
        except (ValueError, RecursionError):
            # Another program's, unless it is asked for: then it is missing.
            continue
    return ExportCard(card, path)


def savedmodel_card(file: Path, path: Path) -> ExportCard:
    """That in the `model.json` of a SavedModel; an unreadable one counts as none.

    Raises:
        InputError: as `ExportCard`.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    return ExportCard(found if isinstance(found, dict) else {}, path)
