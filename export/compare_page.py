"""The page of a comparison: its table, and the maps of all methods beside each other."""

from __future__ import annotations

import html
import re
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iic_tf.data.scene import IGNORE
from iic_tf.export.report.embedded import Embedding
from iic_tf.export.report.markup import Html, joined, safe, section, table, tag
from iic_tf.metrics import confusion_matrix, one_to_one
from iic_tf.pictures import palette
from iic_tf.training.atomic import replacing
from iic_tf.training.studies.compare import Compared
from iic_tf.training.studies.compare_tables import BEST
from iic_tf.training.studies.compare_tables import table as table_of
from iic_tf.training.studies.shown import Shown, coloured, load_shown, sorted_images
from iic_tf.training.survey import NOTHING

_STYLE = """
main { max-width: 1400px; }
.beside { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 12px; }
.beside figure { margin: 0; }
.beside img { width: 100%; image-rendering: auto; }
"""


def write_page(found: Compared) -> Path:
    """Write `compare.html` into the folder of a comparison, whole or not at all; its path.

    It needs no other file, and stays below 5 MB: pictures without room are named.
    """
    pictures = Embedding()
    told = table_of(found)
    names = ", ".join(found.results)
    body = [
        tag(
            "header",
            tag("h1", f"{len(found.results)} methods on the same images"),
            tag("p", names, class_="lead"),
        ),
        section(
            "Scores" if found.labelled else "Agreement",
            table("Each method, then what any has to beat", told.head, told.rows),
            *(tag("p", _prose(note), class_="warning" if note.startswith("Failed") else "")
              for note in told.notes),
        ),
    ]  # fmt: skip
    if told.best:
        about = "The best sub-head of the best seed: nobody can choose it who has no labels."
        rows = table("Chosen with labels", ["method", BEST], told.best)
        body.append(section("Chosen with labels, so no score", tag("p", about), rows))
    body.append(_pictures(found, pictures))
    if pictures.omitted:
        left = [tag("li", f"left out of this page: {what}") for what in pictures.omitted]
        body.append(section("Left out", tag("ul", *left, class_="warnings")))
    parts = {
        "title": html.escape(f"{found.folder.resolve().name}: comparison"),
        "style": _asset("report.css") + _STYLE,
        "body": joined(body),
    }
    path = found.folder / "compare.html"
    page = re.sub(r"\{\{(\w+)\}\}", lambda one: str(parts[one[1]]), _asset("report.html"))
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def _prose(note: str) -> Html:
    """A note with what stands between backticks, a command, as code."""
    parts = note.split("`")
    return Html("".join(tag("code", p) if i % 2 else safe(p) for i, p in enumerate(parts)))


def _asset(name: str) -> str:
    return (resources.files("iic_tf.export.report") / "assets" / name).read_text(encoding="utf-8")


def _pictures(found: Compared, pictures: Embedding) -> Html:
    """What the first seed of each method that ended well found."""
    firsts = {
        label: next((one for one in own if one["status"] == "scored"), None)
        for label, own in found.results.items()
    }
    shown = {
        label: (one, load_shown(Path(one["job"]["shown"])))
        for label, one in firsts.items()
        if one is not None
    }
    if not shown:
        return section("What they found", tag("p", "No run ended well.", class_="missing"))
    folder = found.folder / "pictures"
    folder.mkdir(exist_ok=True)
    draw = _maps if found.unit == "pixels" else _sheets
    told = (
        "Seed 0 of each method, or the first one that ended well; labels chose nothing here but "
        "which colour a cluster has, by the match that is scored."
        if found.labelled
        else "Seed 0 of each method, or the first one that ended well. Clusters have the colours "
        "of those of the first method that they overlap most."
    )
    return section("What they found", tag("p", told), *draw(shown, folder, pictures))


Firsts = dict[str, tuple[dict[str, Any], Shown]]


def _class_of(shown: Firsts, label: str) -> NDArray[np.int64]:
    """The class of each cluster; without labels the first method's cluster that it overlaps."""
    one, own = shown[label]
    if one["scores"]:
        return np.asarray(one["scores"]["class_of_cluster"])
    first = next(iter(shown.values()))
    k, most = next(iter(one["clusters"].values())), next(iter(first[0]["clusters"].values()))
    pairs = zip(first[1].labels, own.labels, strict=True)
    flat = [(a.ravel(), b.ravel()) for a, b in pairs if a.shape == b.shape]
    a = np.concatenate([x for x, _ in flat]).astype(np.int64)
    b = np.concatenate([y for _, y in flat]).astype(np.int64)
    there = (a != NOTHING) & (b != NOTHING)
    return np.asarray(one_to_one(confusion_matrix(a[there], b[there], max(k, most), max(k, most))))[
        :k
    ]


def _colours(shown: Firsts) -> NDArray[np.uint8]:
    most = max(
        max(int(_class_of(shown, label).max()) + 1, *(_most(own.truth) for _ in (0, 1)))
        for label, (_, own) in shown.items()
    )
    return np.asarray(palette(max(2, most)), np.uint8)


def _most(truth: list[NDArray[np.integer]]) -> int:
    known = [int(one[one != IGNORE].max()) + 1 for one in truth if (one != IGNORE).any()]
    return max(known, default=0)


def _maps(shown: Firsts, folder: Path, pictures: Embedding) -> list[Html]:
    colours = _colours(shown)
    _, first = next(iter(shown.values()))
    rows = []
    for number, picture in enumerate(first.pictures):
        name = first.names[number]
        figures = [_figure(folder / f"{number}-image.png", picture, "the image", pictures)]
        if first.truth:
            truth = coloured(first.truth[number], np.arange(len(colours)), colours)
            figures.append(_figure(folder / f"{number}-labels.png", truth, "its labels", pictures))
        for place, (label, (_, own)) in enumerate(shown.items()):
            drawn = coloured(own.labels[number], _class_of(shown, label), colours)
            figures.append(_figure(folder / f"{number}-{place}.png", drawn, label, pictures))
        rows.append(tag("h3", f"{name}, its middle"))
        rows.append(tag("div", joined(figures), class_="beside"))
    return rows


def _sheets(shown: Firsts, folder: Path, pictures: Embedding) -> list[Html]:
    _, first = next(iter(shown.values()))
    figures = []
    if first.truth:
        truth = np.array([int(one) for one in first.truth])
        sheet = sorted_images(first.pictures, truth, int(truth.max()) + 1)
        figures.append(_figure(folder / "labels.png", sheet, "by their labels", pictures))
    for place, (label, (one, own)) in enumerate(shown.items()):
        labels = np.array([int(cluster) for cluster in own.labels])
        classes = _class_of(shown, label)
        rows = classes[labels] if one["scores"] else labels
        count = int(max(classes.max(), rows.max())) + 1
        sheet = sorted_images(first.pictures, rows, count)
        figures.append(_figure(folder / f"{place}.png", sheet, label, pictures))
    told = f"The same {len(first.pictures)} images, drawn by chance; a row is a group."
    return [tag("p", told), tag("div", joined(figures), class_="beside")]


def _figure(path: Path, picture: NDArray[np.uint8], label: str, pictures: Embedding) -> Html:
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, "PNG", optimize=True)
    return pictures.figure([path], label, label)
