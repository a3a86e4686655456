"""Files of geographic shapes with attributes: GeoJSON, GeoPackage and shapefiles.

GeoJSON is in longitude and latitude of WGS 84 (RFC 7946, section 4), unless it has the older `crs`
member, which GDAL and QGIS still write. The others are read by GDAL, through pyogrio.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError

from iic_tf.annotations import Json
from iic_tf.data.finding import composed
from iic_tf.data.shapes import Shape, shapes_of
from iic_tf.errors import DataMissingError, InputError

GEOJSON = (".geojson", ".json")
GEOPACKAGE = (".gpkg",)
SHAPEFILE = (".shp",)

_NAMED = 12


@dataclass(frozen=True, eq=False)
class Layer:
    """Features of one coordinate system.

    Attributes:
        crs: theirs.
        features: the shapes of each, with none of an empty one, and its attributes by name.
    """

    crs: CRS
    features: list[tuple[list[Shape], Json]]


def read_vector(file: Path) -> list[Layer]:
    """Read a file by its suffix: GeoJSON, else what GDAL makes of it.

    Raises:
        DataMissingError: there is no such file.
        InputError: it cannot be read, see `read_geojson` and `read_layers`.
    """
    return [read_geojson(file)] if file.suffix.lower() in GEOJSON else read_layers(file)


def read_geojson(file: Path) -> Layer:
    """Read a FeatureCollection or a Feature.

    Raises:
        DataMissingError: there is no such file.
        InputError: it is no GeoJSON, or names a coordinate system that is not known.
    """
    _require(file)
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unfit(file, " ".join(str(error).split())[:120]) from error
    kind = document.get("type") if isinstance(document, dict) else type(document).__name__
    if kind == "Feature":
        members = [document]
    elif kind == "FeatureCollection" and isinstance(document.get("features"), list):
        members = document["features"]
    else:
        raise _unfit(file, f"one of type {kind!r:.60}")
    crs = _named_crs(file, document)
    return Layer(crs, [_feature(file, i, member) for i, member in enumerate(members)])


def _feature(file: Path, number: int, member: Any) -> tuple[list[Shape], Json]:
    if not isinstance(member, dict) or member.get("type") != "Feature":
        raise _unfit(file, f"feature {number} (from 0), which is none: {member!r:.60}")
    properties = member.get("properties") or {}
    if not isinstance(properties, dict):
        raise _unfit(file, f"feature {number} (from 0) with properties {properties!r:.60}")
    try:
        return shapes_of(member.get("geometry")), properties
    except ValueError as error:
        raise _unfit(file, f"feature {number} (from 0) with {error}") from error


def _named_crs(file: Path, document: Json) -> CRS:
    if "crs" not in document:
        return CRS.from_user_input("OGC:CRS84")
    member = document["crs"]
    name = member.get("properties") if isinstance(member, dict) else None
    name = name.get("name") if isinstance(name, dict) else None
    if not isinstance(name, str):
        raise _unfit(file, f"a coordinate system without a name, crs={member!r:.60}")
    return _crs(file, name)


def _crs(file: Path, name: str) -> CRS:
    try:
        return CRS.from_user_input(name)
    except CRSError as error:
        raise InputError(
            f"Expected a coordinate system that PROJ knows in '{file}'; received {name!r:.120}."
        ) from error


def read_layers(file: Path) -> list[Layer]:
    """Read all layers of a GeoPackage or shapefile that have geometries, but for empty ones.

    Raises:
        DataMissingError: there is no such file.
        InputError: pyogrio or shapely is not installed, the file cannot be read, or a layer has no
            coordinate system.
    """
    _require(file)
    try:
        import pyogrio
        import shapely
    except ImportError as error:
        raise InputError(
            f"Expected the packages pyogrio and shapely, to read '{file}'; received no "
            f"{error.name}. Install them (pip install 'iic_tf[vector]'), or save it as GeoJSON."
        ) from error
    try:
        named = [name for name, type_ in pyogrio.list_layers(file) if type_ is not None]
        read = [pyogrio.raw.read(file, layer=name, force_2d=True) for name in named]
        layers = [
            (meta, [shapely.from_wkb(g) if g is not None else None for g in geometry], fields)
            for meta, _, geometry, fields in read
        ]
    except Exception as error:
        # GDAL's errors through pyogrio, and shapely's of geometries that it does not know.
        kind = "shapefile" if file.suffix.lower() in SHAPEFILE else "GeoPackage"
        raise InputError(
            f"Expected a {kind} in '{file}'; received {' '.join(str(error).split())[:120]}."
        ) from error
    found = []
    for name, (meta, geometries, fields) in zip(named, layers, strict=True):
        if not len(geometries):
            continue
        if not meta["crs"]:
            raise InputError(
                f"Expected a coordinate system in layer '{name}' of '{file}'; received none."
            )
        features = [
            (shapes, dict(zip(meta["fields"], values, strict=True)))
            for shapes, *values in zip(
                _shapes(file, name, [g and shapely.geometry.mapping(g) for g in geometries]),
                *fields,
                strict=True,
            )
        ]
        found.append(Layer(_crs(file, meta["crs"]), features))
    return found


def _shapes(file: Path, layer: str, geometries: Sequence[Any]) -> Iterator[list[Shape]]:
    for number, geometry in enumerate(geometries):
        try:
            yield shapes_of(geometry)
        except ValueError as error:
            raise InputError(
                f"Expected points, lines and polygons in layer '{layer}' of '{file}'; received "
                f"{error} in feature {number} (from 0)."
            ) from error


def class_name(value: Any) -> str | None:
    """The class that an attribute's value names; None where it names none.

    Raises:
        ValueError: it is neither text nor a whole number.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # Whole numbers of which some are missing come as floats.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r:.60}")
    return composed(str(value)).strip() or None


def text_attributes(layers: Sequence[Layer]) -> list[str]:
    """Names of attributes that may name classes: those with text or a whole number somewhere."""
    found: dict[str, None] = {}
    for layer in layers:
        for _, attributes in layer.features:
            for name, value in attributes.items():
                if isinstance(value, str | int | np.integer) and not isinstance(value, bool):
                    found[name] = None
    return list(found)


def require_attribute(file: Path, layers: Sequence[Layer], attribute: str) -> None:
    """Refuse a file of which no feature has the attribute.

    Raises:
        InputError: names the attributes that could be meant.
    """
    if any(attribute in attributes for layer in layers for _, attributes in layer.features):
        return
    names = text_attributes(layers)
    there = ", ".join(f"'{name}'" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    came = f"the attributes {there}{more}; say which names the classes" if names else "none at all"
    if not any(layer.features for layer in layers):
        came = "no features"
    raise InputError(
        f"Expected features with the attribute '{attribute}' in '{file}'; received {came}."
    )


def _require(file: Path) -> None:
    if not file.is_file():
        raise DataMissingError(f"Expected a file of shapes at '{file}'; received no file.")


def _unfit(file: Path, came: str) -> InputError:
    return InputError(f"Expected GeoJSON features in '{file}'; received {came}.")
