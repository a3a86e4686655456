"""The pictures of the methods' pages: what each method of a comparison found, beside the labels.

    python benchmarks/method_pictures.py COMPARISON --out docs/pictures/methods

COMPARISON is the folder of an `iic-tf compare` with labels, of scenes or of whole images. Of scenes
a strip: image, labels and what was found, in the middle of a scene; of images a sheet, a row
for each cluster. Seed 0 of each method; clusters have the colours, and the places, of the classes
that they are matched to.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iic_tf.pictures import palette
from iic_tf.training.studies.shown import Shown, coloured, load_shown, sorted_images

SIDE, GAP = 150, 4


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    results = json.loads((given.comparison / "compare.json").read_text(encoding="utf-8"))["results"]
    for label, runs in results.items():
        one = runs[0]
        if one["status"] != "scored" or one["scores"] is None:
            raise SystemExit(f"Expected a scored run of {label} with seed 0; received none.")
        shown = load_shown(Path(one["job"]["shown"]))
        class_of = np.asarray(one["scores"]["class_of_cluster"])
        drawn = strip(shown, class_of) if shown.names else sheet(shown, class_of)
        kind = "scenes" if shown.names else "images"
        path = given.out / f"{label.replace(':', '-')}-{kind}.jpg"
        drawn.save(path, quality=65 if shown.names else 50, optimize=True)
        print(f"{path}: {drawn.width} × {drawn.height}, {path.stat().st_size} bytes")


def strip(shown: Shown, class_of: NDArray[np.int64]) -> Image.Image:
    """Image, labels and what was found, beside each other."""
    # The first of the windows that are kept of each run.
    image, labels, truth = shown.pictures[0], shown.labels[0], shown.truth[0]
    colours = np.asarray(palette(int(max(truth.max(), class_of.max())) + 1), np.uint8)
    panels = [
        (image, Image.Resampling.BOX),
        (coloured(truth, np.arange(len(colours)), colours), Image.Resampling.NEAREST),
        (coloured(labels, class_of, colours), Image.Resampling.NEAREST),
    ]
    width = len(panels) * (SIDE + GAP) - GAP
    picture = Image.new("RGB", (width, SIDE), "white")
    for place, (values, how) in enumerate(panels):
        picture.paste(Image.fromarray(values).resize((SIDE, SIDE), how), (place * (SIDE + GAP), 0))
    return picture


def sheet(shown: Shown, class_of: NDArray[np.int64]) -> Image.Image:
    """The images of each cluster in a row of its own, in the order of the classes."""
    rows = class_of[np.asarray([int(one) for one in shown.labels])]
    return Image.fromarray(sorted_images(shown.pictures, rows, int(rows.max()) + 1))


if __name__ == "__main__":
    main()
