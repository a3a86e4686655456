"""Made-up images to be clustered: digits in the fonts that Matplotlib brings, each a little else.

    python benchmarks/drawn_digits.py FOLDER --count 1200

writes 28 × 28 grey PNGs into a folder for each digit, as `--dataset images` reads them:
turned, moved, scaled, in one of several fonts, light on dark, with noise. From seed 0 alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic"),
    *("DejaVuSansMono", "DejaVuSansMono-BoldOblique", "cmr10", "cmtt10", "STIXGeneral"),
)
SIDE = 28


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1200)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for number in range(given.count):
        digit = str(number % 10)
        image = drawn(digit, str(fonts / f"{rng.choice(FONTS)}.ttf"), rng)
        place = given.folder / digit / f"{number:05}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place)


def drawn(digit: str, font: str, rng: np.random.Generator) -> Image.Image:
    """One digit, `28 × 28`, grey."""
    large = Image.new("L", (4 * SIDE, 4 * SIDE))
    at = (2 * SIDE + rng.uniform(-8, 8), 2 * SIDE + rng.uniform(-8, 8))
    size = int(rng.integers(72, 104))
    ImageDraw.Draw(large).text(at, digit, 255, ImageFont.truetype(font, size), anchor="mm")
    turned = large.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC)
    values = np.asarray(turned.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    noisy = values * rng.uniform(0.6, 1) + rng.normal(0, 8, values.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
