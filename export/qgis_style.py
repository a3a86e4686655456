"""A QGIS style of a label map: the file that QGIS reads beside a raster of the same name."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from iic_tf.export.legend import Legend
from iic_tf.training.atomic import replacing


def write_style(path: Path, legend: Legend) -> None:
    """Write `<name>_labels.qml`: each label's colour and name, with which the layer opens.

    It is QGIS' renderer "Paletted/Unique values"; what is not said, such as blending, is as for a
    new layer, and nodata is transparent by the TIFF.

    Args:
        path: beside the TIFF, by its name.
        legend: names, colours and numbers; what XML has no place for in a name becomes a space.
    """
    root = ElementTree.Element("qgis", version="3.16", styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    kind = {"type": "paletted", "band": "1", "opacity": "1", "alphaBand": "-1"}
    renderer = ElementTree.SubElement(pipe, "rasterrenderer", kind)
    entries = ElementTree.SubElement(renderer, "colorPalette")
    for index in legend.order:
        entry = {
            "value": str(legend.numbers[index]),
            "label": "".join(c if c.isprintable() else " " for c in legend.names[index]),
            "color": "#" + bytes(legend.colours[index]).hex(),
            "alpha": "255",
        }
        ElementTree.SubElement(entries, "paletteEntry", entry)
    text = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    ElementTree.indent(root)
    with replacing(path) as temporary:
        text += ElementTree.tostring(root, encoding="unicode") + "\n"
        temporary.write_text(text, encoding="utf-8")
