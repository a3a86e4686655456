"""A serving kit: the model, what TensorFlow Serving is started with, and clients."""

from __future__ import annotations

import shutil
from pathlib import Path

from iic_tf.export import client
from iic_tf.export.form import Form
from iic_tf.export.model_card import CARD, Card
from iic_tf.export.savedmodel import export_savedmodel
from iic_tf.export.servable import PLAIN, Servable
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import write_json

CONFIG = "models.config"
ASSETS = Path(__file__).parent / "kit"
CLIENT = Path(client.__file__).parent


def export_serving(
    served: Servable, path: Path, form: Form = PLAIN, card: Card | None = None
) -> float:
    """Write a serving kit, check its model, and only then put it in its place.

    In the folder: `models/TASK/1`, the SavedModel; `models.config` and `compose.yaml`; `client`, a
    Python package that needs nothing of this one; `model.json`, by which it cuts scenes; README.md.

    Args:
        served: the model.
        path: the folder.
        form: what its input and outputs are.
        card: what is to be known of it, with its task.

    Returns:
        How far it is from the Keras model, see `iic_tf.export.check`.

    Raises:
        ExportError: the exported model computes something else; nothing is left behind.
    """
    card = card or {}
    name = str(card.get("task", "model"))
    with replacing(path) as kit:
        worst = export_savedmodel(served, kit / "models" / name / "1", form, card)
        shutil.copytree(CLIENT, kit / "client", ignore=shutil.ignore_patterns("__pycache__"))
        for asset in ("compose.yaml", "README.md", CONFIG):
            text = (ASSETS / asset).read_text(encoding="utf-8")
            (kit / asset).write_text(text.replace("MODEL", name), encoding="utf-8")
        write_json(kit / CARD, card)
        return worst
