"""Labels for scenes from one file, of whatever kind."""

from __future__ import annotations

from pathlib import Path

from iic_tf.data.labelled_points import with_points
from iic_tf.data.scene import SceneSet
from iic_tf.data.vector_files import GEOJSON, GEOPACKAGE
from iic_tf.data.vector_labels import with_shapes
from iic_tf.errors import expected

SUFFIXES = (".csv", *GEOJSON, *GEOPACKAGE)
"""Those of files of labels."""


def marked(scenes: SceneSet, file: str | Path, attribute: str | None = None) -> SceneSet:
    """Scenes under the labels of a file, told by its suffix, in place of any masks of theirs.

    Args:
        scenes: the images.
        file: `.csv`, points in pixels (`iic_tf.data.labelled_points`); `.geojson`, `.json` or
            `.gpkg`, shapes on the map (`iic_tf.data.vector_labels`).
        attribute: the attribute, or the CSV's column, that names the class; None for `class`.

    Raises:
        DataMissingError: there is no such file.
        InputError: another suffix, or labels that do not fit, as the two say.
    """
    file = Path(file)
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise expected(f"a file of labels, one of {', '.join(SUFFIXES)}", f"'{file}'")
    how = with_points if suffix == ".csv" else with_shapes
    return how(scenes, file, "class" if attribute is None else attribute)
