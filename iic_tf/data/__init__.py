"""Data sets: scenes that are read window by window, with masks where there are any."""

from iic_tf.data.array_scene import ArrayScene, from_arrays
from iic_tf.data.folder import load_folder
from iic_tf.data.potsdam import load_potsdam
from iic_tf.data.scene import IGNORE, ClassTable, Scene, SceneSet
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
