"""Whether images use so little of their value range that they look dark."""

from __future__ import annotations

import numpy as np

from iic_tf.data.scene import SceneSet

DIM = 0.25
"""Images that use less than this part of their range are noted."""
_SCENES = 16
_WINDOW = 128


def used_range(scenes: SceneSet) -> float:
    """The part of 0 to 1 below which 99 % of the values of some windows lie.

    From the middles of at most 16 scenes, spread evenly over the set, the same ones each time.
    """
    picked = np.linspace(0, len(scenes.scenes) - 1, min(_SCENES, len(scenes.scenes)))
    values = []
    for scene in (scenes.scenes[int(i)] for i in picked):
        height, width = min(_WINDOW, scene.height), min(_WINDOW, scene.width)
        middle = ((scene.height - height) // 2, (scene.width - width) // 2)
        shown, valid = scenes.seen(scene, *middle, height, width)
        values.append((shown if valid is None else shown[valid]).ravel())
    found = np.concatenate(values)
    return float(np.percentile(found, 99)) if found.size else 1.0


def dim_note(scenes: SceneSet) -> list[str]:
    """A line on dim images, as 12-bit values stored in 16 bits are; of others none."""
    used = used_range(scenes)
    if used >= DIM:
        return []
    lowest = f"{100 * max(used, 0.001):.1f} %"
    return [
        f"note: 99 % of the values lie in the lowest {lowest} of their range, so that images look "
        "dark; --stretch 2 98 spreads them over it"
    ]
