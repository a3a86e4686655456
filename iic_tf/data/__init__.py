"""Data sets: scenes that are read window by window, with masks where there are any."""

from typing import TYPE_CHECKING, Any

from iic_tf.data.array_scene import ArrayScene, from_arrays
from iic_tf.data.folder import load_folder
from iic_tf.data.potsdam import load_potsdam
from iic_tf.data.scene import IGNORE, ClassTable, Scene, SceneSet

if TYPE_CHECKING:
    from iic_tf.data.scenes import load_scenes

__all__ = [
    "IGNORE",
    "ArrayScene",
    "ClassTable",
    "Scene",
    "SceneSet",
    "from_arrays",
    "load_folder",
    "load_potsdam",
    "load_scenes",
]


def __getattr__(name: str) -> Any:
    # The made-up scenes need SciPy, which whoever reads images alone does without.
    if name == "load_scenes":
        from iic_tf.data.scenes import load_scenes

        return load_scenes
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
