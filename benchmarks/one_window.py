"""A large scene labelled window by window, as `iic-tf predict` does, beside one call for all of it.

    python benchmarks/one_window.py RUN --image IMAGE.tif --side 6000

Makes a scene out of the image (`big_scene.py`), predicts it, and lets the model see the whole scene
at once; tells the share of pixels whose labels differ, of all and of those within 8 pixels of where
two windows meet, and how sure the model is at most where they do. One call for 6000 × 6000 pixels
of four bands takes some 8 GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from big_scene import make_scene

from iic_tf.training import from_run
from iic_tf.training.whole_scene import CORE

NEAR = 8


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--side", type=int, default=6000)
    parser.add_argument("--head", default="overclusters", help="main, overclusters or classes")
    given = parser.parse_args()
    served = from_run(given.run, given.head).served
    with tempfile.TemporaryDirectory() as place:
        scene = Path(place) / "scene.tif"
        make_scene(scene, given.image, given.side)
        words = ["-m", "iic_tf.cli", "predict", given.run, str(scene), "--head", given.head]
        words += ["--out", f"{place}/out"]
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        with rasterio.open(f"{place}/out/scene_labels.tif") as file:
            by_windows = file.read(1)
        with rasterio.open(scene) as file:
            pixels = file.read().transpose(1, 2, 0).astype(np.float32)
            pixels[file.dataset_mask() == 0] = np.nan
    found = served(pixels[None])
    whole = np.asarray(found["labels"])[0]
    sure = np.asarray(found["probabilities"])[0].max(-1)
    differ = (by_windows != 255) & (by_windows != whole)
    holds = by_windows != 255
    core = -(-CORE // served.align) * served.align
    lines = (np.arange(given.side) + NEAR) % core < 2 * NEAR
    near = holds & (lines[:, None] | lines)
    shares = np.bincount(whole[holds]) / holds.sum()
    print("shares of labels: " + ", ".join(f"{share:.2f}" for share in shares))
    print(f"no data in both: {bool(np.array_equal(holds, whole >= 0))}")
    print(f"pixels that hold data: {holds.sum()}; labels that differ: {differ.sum()}")
    print(f"within {NEAR} pixels of a border of windows: {near.sum()}; {(differ & near).sum()}")
    if differ.any():
        print(f"largest probability where they differ: at most {sure[differ].max():.6f}")


if __name__ == "__main__":
    main()
