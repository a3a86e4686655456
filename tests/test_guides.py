"""The guides, each followed in a small form: what they say is typed, on tiny made-up data."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from documents import DOCS, blocks_in, commands_of
from image_files import gdal_tiff
from PIL import Image
from rasterio.warp import transform
from tiny_trunks import pyramid

from iic_tf.cli import main
from iic_tf.data import registry as data_sets
from iic_tf.training.methods import registry as methods

GUIDES = sorted((DOCS / "guides").glob("*.md"))
pytestmark = pytest.mark.skipif(not GUIDES, reason="needs the checkout's docs")

AFTER = {name: ["photographs"] for name in ("few_labels", "serving", "devices")}
"""Guides that go on with another one's run."""
SMALL = {
    "--epochs": "1",
    "--steps": "1",
    "--batch": "4",
    "--width": "0.05",
    "--classes": "3",
    "--crop": "32",
    "--downscale": "1",
}
OF_SCENES = ("radius=2", "evaluation_steps=1", "overclusters_per_class=3")
OF_IMAGES = (
    *("network=B", "evaluation_steps=1", "side=24", "repeats=1"),
    *("x={crops: [20], size: 16}", "gx={crops: [16, 20], size: 16, flip: 0.5}"),
)

WRITTEN: dict[str, list[str]] = {
    "photographs": [
        *("found/sheet.png", "runs/photos/report.html", "runs/photos/label.html"),
    ],
    "aerial": [
        *("map/scene_labels.tif", "map/scene_confidence.tif", "map/scene_polygons.gpkg"),
        *("map/areas.csv", "runs/tiles/report.html"),
    ],
    "small_images": [
        *("sorted/predictions.csv", "sorted/sheet.png", "runs/things/pictures/confident.png"),
    ],
    "few_labels": ["runs/photos/suggestions.csv"],
    "serving": ["runs/photos/export/model.json", "runs/photos/export/serving"],
    "devices": ["runs/photos/checkpoints/epoch-0001"],
    "adding_a_method": ["runs/squares"],
    "adding_a_data_set": ["runs/arrays"],
}
"""What is then there, by guide."""


def in_small(words: list[str], place: Path) -> list[str]:
    """A command that trains, by tiny values; all others as they are."""
    if words[0] != "train" or "--resume" in words:
        return words
    images = "images" in words
    kept: list[str] = []
    given = iter(words)
    for word in given:
        if word in SMALL:
            next(given)
        else:
            kept.append(word)
    small = {k: v for k, v in SMALL.items() if not images or k not in ("--crop", "--downscale")}
    kept += [word for pair in small.items() for word in pair]
    if "pretrained" in words:
        # In place of weights that somebody would have to fetch.
        kept += ["--trunk", str(place / "trunk.keras")]
    values = OF_IMAGES if images else OF_SCENES
    return kept + [word for value in values for word in ("--set", value)]


def make_data(place: Path) -> None:
    """What readers have, tiny: three kinds of ground in bands across each image."""
    rng = np.random.default_rng(0)

    def scene(bands: int) -> tuple[Any, Any]:
        mask = np.zeros((32, 40), np.uint8)
        first, second = rng.integers(9, 15), rng.integers(22, 30)
        mask[:, first:], mask[:, second:] = 1, 2
        shades = np.array([[40, 60, 200, 90], [90, 170, 60, 220], [200, 190, 180, 120]])
        image = shades[mask][..., :bands] + rng.integers(-30, 30, (32, 40, bands))
        return np.clip(image, 0, 255).astype(np.uint8), mask

    for name in ("my_photos", "my_masks", "my_tiles", "my_arrays"):
        (place / name).mkdir()
    for i in range(6):
        image, mask = scene(3)
        Image.fromarray(image).save(place / "my_photos" / f"{i}.png")
        Image.fromarray(mask).save(place / "my_masks" / f"{i}.png")
        np.save(place / "my_arrays" / f"{i}.npy", image.astype(np.uint16) * 16)
        np.save(place / "my_arrays" / f"{i}_mask.npy", mask.astype(np.int64))
        for kind, shade in (("dark", 0), ("grey", 70), ("light", 140)):
            folder = place / "my_images" / kind
            folder.mkdir(parents=True, exist_ok=True)
            thing = rng.integers(0, 110, (24, 24, 3)) + shade
            Image.fromarray(thing.astype(np.uint8)).save(folder / f"{kind}{i}.png")
    for name in ("scene", "north", "south"):
        gdal_tiff(place / "my_tiles" / f"{name}.tif", scene(4)[0])
    kinds = ("dark", "grey", "light")
    rows = [f"{kind}/{kind}{i}.png,{kind}" for kind in kinds for i in range(3)]
    (place / "labels.csv").write_text("\n".join(["image,class", *rows]) + "\n")
    for name, parts in (("district", [(4, 30)]), ("fields", [(2, 8), (32, 38)])):
        write_shapes(place / f"{name}.geojson", parts)
    pyramid().save(place / "trunk.keras")


def write_shapes(path: Path, columns: list[tuple[int, int]]) -> None:
    """Rectangles over some of the tiles' columns, as GeoJSON of degrees."""
    features = []
    for number, (left, right) in enumerate(columns):
        x = [500000 + 0.5 * column for column in (left, right, right, left, left)]
        y = [5800000 - 0.5 * row for row in (4, 4, 28, 28, 4)]
        corners = list(zip(*transform("EPSG:32633", "EPSG:4326", x, y), strict=True))
        kind = {"class": ("meadow", "road")[number]}
        shape = {"type": "Polygon", "coordinates": [corners]}
        features.append({"type": "Feature", "properties": kind, "geometry": shape})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def fill_in(path: Path) -> None:
    """What a person writes into the column `class` of suggested places."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        (mask,) = (path.parents[2] / "my_masks").glob(f"{Path(row['image']).stem}.png")
        with Image.open(mask) as image:
            kind = np.asarray(image)[int(row["row"]), int(row["column"])]
        row["class"] = ("water", "meadow", "road")[kind]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class Reader:
    """Whoever follows guides, each once, in a folder."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch):
        self.place, self.patch = place, patch
        self.followed: set[str] = set()

    def follow(self, name: str) -> None:
        for before in AFTER.get(name, ()):
            self.follow(before)
        if name in self.followed:
            return
        self.followed.add(name)
        for block in blocks_in(DOCS / "guides" / f"{name}.md"):
            if block.mark.startswith("file: "):
                self.write(block.mark.removeprefix("file: "), block.text)
            elif block.kind == "python":
                program = compile(block.text, name, "exec")
                if block.mark == "run":
                    exec(program, {"__name__": "guide"})
            elif block.mark == "run":
                for words in commands_of(block.text):
                    self.type(in_small(words, self.place))

    def type(self, words: list[str]) -> None:
        assert main(words) == 0, words
        if "--suggest" in words:
            fill_in(self.place / words[1] / "suggestions.csv")

    def write(self, path: str, text: str) -> None:
        """A file of the package, which stands in a folder that is searched behind its own."""
        folder, _, file = path.rpartition("/")
        room = "iic_tf." + folder.removeprefix("iic_tf/").replace("/", ".")
        package = importlib.import_module(room)
        own = self.place / "written" / folder
        own.mkdir(parents=True, exist_ok=True)
        (own / file).write_text(text, encoding="utf-8")
        if str(own) not in package.__path__:
            self.patch.setattr(package, "__path__", [*package.__path__, str(own)])
        data_sets._import_all.cache_clear()
        methods.methods.cache_clear()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    place = tmp_path_factory.mktemp("guides")
    make_data(place)
    data_sets.dataset_names()
    methods.methods()
    known = [(r, set(r)) for r in (data_sets._REGISTERED, methods._REGISTERED)]
    modules = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield Reader(place, patch)
    # Other tests of this process know nothing of what was added.
    for registered, before in known:
        for name in set(registered) - before:
            del registered[name]
    for name in set(sys.modules) - modules:
        if name.endswith((".squares", ".numpy_scenes")):
            del sys.modules[name]
    for name in [n for n in keras.saving.get_custom_objects() if n.endswith("SquaresSegmenter")]:
        del keras.saving.get_custom_objects()[name]
    data_sets._import_all.cache_clear()
    methods.methods.cache_clear()


@pytest.mark.parametrize("name", [guide.stem for guide in GUIDES])
def test_what_the_guide_says_can_be_done(name: str, reader: Reader) -> None:
    reader.follow(name)
    for said in WRITTEN[name]:
        assert os.path.exists(said), said


def test_every_guide_is_followed() -> None:
    assert set(WRITTEN) == {guide.stem for guide in GUIDES}
    for guide in GUIDES:
        assert any(block.mark == "run" for block in blocks_in(guide)), guide
        # A comment that is misspelt would leave its block out.
        marks = re.findall(r"<!--.*?-->", guide.read_text(encoding="utf-8"))
        assert len(marks) == sum(bool(block.mark) for block in blocks_in(guide)), guide
