"""Label an image by a served model.

python -m client scene.tif labels.tif --grpc localhost:8500
python -m client scene.tif labels.tif --rest http://localhost:8501
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from . import ServingError, grpc_model, label_image, label_scene, rest_model
from .files import read, write
from .scene import TILE

CARD = Path(__file__).resolve().parents[1] / "model.json"


def main(arguments: list[str] | None = None) -> int:
    """The command; its status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("image", help="a .npy of [height, width, bands], or what rasterio reads")
    parser.add_argument("labels", nargs="?", help=".npy or .tif to be written (segmentation)")
    parser.add_argument("--grpc", metavar="ADDRESS", default="localhost:8500")
    parser.add_argument("--rest", metavar="URL", help="over REST in place of gRPC")
    parser.add_argument("--card", default=str(CARD), help="[default: beside this folder]")
    parser.add_argument("--model", help="its name [default: what it does]")
    parser.add_argument("--tile", type=int, default=TILE, help=f"pixels [default: {TILE}]")
    given = parser.parse_args(arguments)
    try:
        card = json.loads(Path(given.card).read_text(encoding="utf-8"))
        name = given.model or card["task"]
        ask = rest_model(given.rest, name) if given.rest else grpc_model(given.grpc, name)
        pixels, profile = read(given.image, card)
        found: Any
        if card["task"] == "clustering":
            found = np.array(label_image(ask, card, pixels))
        else:
            found = label_scene(ask, card, pixels, given.tile)
        if given.labels:
            write(given.labels, found, profile)
    except (OSError, ServingError, ValueError) as error:
        print(f"client: {error}", file=sys.stderr)
        return 1
    for one in card["classes"]:
        share = float((found == one["number"]).mean())
        print(f"{one['number']:4d}  {one['name']:20s} {100 * share:5.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
