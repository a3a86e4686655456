"""The README's picture: scenes, what a run found in them, and the truth, above one another.

    python benchmarks/front_picture.py RUN --scenes 2 9 16 23 30 --out docs/pictures/front.jpg

RUN has named classes (`iic-tf label`) and knows the masks of its scenes. Scenes are chosen by their
numbers alone, and cut to the same square in the middle.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from iic_tf.data.registry import source_from_dict
from iic_tf.data.scene import read_with_valid, with_nan
from iic_tf.pictures.labels import label_image
from iic_tf.pictures.rgb import to_rgb
from iic_tf.pictures.text import font
from iic_tf.training import from_run
from iic_tf.training.run import Run

SIDE, GAP, LEFT, BELOW = 232, 6, 76, 34
INK = (40, 40, 40)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--scenes", type=int, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    answer = from_run(given.run)
    scenes = source_from_dict(Run.open(given.run).config()["source"]).load()
    of_number = {int(number): index for index, number in enumerate(answer.numbers)}
    width = LEFT + len(given.scenes) * (SIDE + GAP)
    picture = Image.new("RGB", (width, 3 * (SIDE + GAP) + BELOW), "white")
    draw = ImageDraw.Draw(picture)
    for row, title in enumerate(("image", "found", "truth")):
        draw.text((4, row * (SIDE + GAP) + SIDE // 2 - 9), title, INK, font(18))
    for column, number in enumerate(given.scenes):
        scene = scenes.scenes[number]
        pixels = with_nan(*read_with_valid(scene, 0, 0, scene.height, scene.width))
        found = np.asarray(answer.served(pixels[None])["labels"])[0]
        labels = np.vectorize(lambda one: of_number.get(int(one), -1))(found)
        shown = to_rgb(scenes.normalise(pixels)[..., list(scenes.rgb)], stretch=True)
        truth = scene.read_mask(0, 0, scene.height, scene.width)
        maps = (label_image(values, answer.colours) for values in (labels, truth))
        for row, image in enumerate((Image.fromarray(shown), *maps)):
            top, left = (scene.height - SIDE) // 2, (scene.width - SIDE) // 2
            cut = image.convert("RGB").crop((left, top, left + SIDE, top + SIDE))
            picture.paste(cut, (LEFT + column * (SIDE + GAP), row * (SIDE + GAP)))
    place = LEFT
    for name, colour in zip(answer.names, answer.colours, strict=True):
        top = 3 * (SIDE + GAP) + 8
        draw.rectangle((place, top, place + 18, top + 18), tuple(int(c) for c in colour))
        draw.text((place + 26, top - 1), name, INK, font(17))
        place += 46 + int(draw.textlength(name, font(17)))
    picture.save(given.out, quality=80, optimize=True)
    print(f"{given.out}: {picture.width} × {picture.height}, {given.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
