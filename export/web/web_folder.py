"""A folder of static files: a page that labels its visitors' images on their own machines."""

from __future__ import annotations

import html
import json
import re
import shutil
from importlib import resources
from pathlib import Path

from iic_tf.annotations import Json
from iic_tf.errors import InputError
from iic_tf.export.form import Form
from iic_tf.export.model_card import Card
from iic_tf.export.onnx_file import export_onnx
from iic_tf.export.page.style import base_style
from iic_tf.export.servable import PLAIN, Servable
from iic_tf.export.web.npm_files import CDN, PACKAGES, NpmError, copy_in, places
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import write_json
from iic_tf.training.progress import progress

MARK = "iic_tf_worker.js"
"""The file by which such a folder is known."""

MODEL = "model.onnx"
RUNTIME = "runtime.json"
VENDOR = "vendor"

MOST = 254
"""The largest number of a class: maps are PNGs of 8 bits, where 255 is no data."""

_WORKER = ("picture", "tiff", "windows", "png", "placed_tiff", "worker")
_PAGE = ("viewer", "page")


def export_web(served: Servable, path: Path, form: Form = PLAIN, card: Card | None = None) -> float:
    """Write the folder: page, scripts, style, the ONNX file and its card, and npm's files.

    The model and the reading of images run in a worker of the visitor's browser; nothing is
    uploaded. ONNX Runtime and geotiff.js are copied in where npm gives them, else the page loads
    them from a CDN; in both cases by the pinned hashes. `runtime.json` says which, and why.

    Args:
        served: a model of pixels.
        path: the folder; whole or not at all.
        form: as of `export_onnx`; floats with probabilities, which the page needs.
        card: what is to be known of the model, by which the page cuts tiles and names classes.

    Returns:
        The largest difference of the ONNX file from the Keras model.

    Raises:
        InputError: a model of whole images, or integers or labels alone asked for.
        ExportError: as `export_onnx`.
    """
    _require(served, form, card or {})
    with replacing(path) as folder:
        folder.mkdir()
        # One of labels that depend on the scene as a whole has a second graph beside it, which
        # does alone: a scene of one window is a scene, too.
        difference = export_onnx(served, folder / MODEL, form, card)
        with progress("3/3  fetching the browser's files by npm"):
            runtime = _runtime(folder)
        write_json(folder / RUNTIME, runtime)
        _write_page(folder, card or {}, runtime)
    return difference


def _require(served: Servable, form: Form, card: Card) -> None:
    if "height" not in served.axes:
        raise InputError(
            "Expected a run of pixels for --format web, whose page lays labels over an image; "
            "received one of whole images."
        )
    if form.integer or form.labels_only:
        raise InputError(
            "Expected --format web without --labels-only, --uint8 or --uint16: its page shows how "
            "sure the model is, and tells it by NaN where there is no data; received one of these."
        )
    largest = max((one["number"] for one in card.get("classes", ())), default=0)
    if largest > MOST:
        raise InputError(
            f"Expected numbers of classes up to {MOST} for --format web, whose maps are PNGs of 8 "
            f"bits; received {largest}."
        )


def _runtime(folder: Path) -> Json:
    """Where the page finds npm's files, and why there."""
    named = ", ".join(f"{p.name} {p.version}" for p in PACKAGES)
    try:
        copy_in(folder / VENDOR)
    except NpmError as error:
        shutil.rmtree(folder / VENDOR, ignore_errors=True)
        return {"packages": named, "offline": False, "why": str(error), "files": places(None)}
    return {"packages": named, "offline": True, "why": None, "files": places(VENDOR)}


def _write_page(folder: Path, card: Card, runtime: Json) -> None:
    data_set = card.get("data_set") or "images"
    parts = {
        "title": html.escape(f"Segment an image: {card.get('recipe') or data_set}"),
        "beyond": "" if runtime["offline"] else f" {CDN}/",
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))
    for name, text in (
        ("index.html", page),
        ("page.css", f"{base_style()}\n{_asset('web.css')}"),
        ("page.js", _script(_PAGE)),
        (MARK, _script(_WORKER)),
    ):
        (folder / name).write_text(text, encoding="utf-8")


def _script(names: tuple[str, ...]) -> str:
    return '"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in names)


def _asset(name: str) -> str:
    return (resources.files("iic_tf.export.web") / "assets" / name).read_text(encoding="utf-8")


def web_notes(folder: Path) -> list[str]:
    """Lines for the user: where the browser's files are, and how to open the page."""
    runtime = json.loads((folder / RUNTIME).read_text(encoding="utf-8"))
    if runtime["offline"]:
        where = f"{runtime['packages']} copied in: the page works offline"
    else:
        where = f"{runtime['packages']} are loaded from {CDN}, by their hashes: {runtime['why']}"
    return [
        f"  files   {where}",
        f"serve it: python3 -m http.server --directory {folder}, then open http://localhost:8000 "
        "(opened from the disk a browser runs no model)",
    ]
