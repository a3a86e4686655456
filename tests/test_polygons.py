"""Regions of label maps as polygons: areas, names, and neighbours that share their edges."""

import sys
from types import SimpleNamespace

import numpy as np
import pyogrio
import pytest
import shapely
from rasterio import Affine
from rasterio.crs import CRS

from iic_tf.errors import InputError
from iic_tf.export.areas import AreaSum
from iic_tf.export.label_files import write_labels
from iic_tf.export.legend import Legend
from iic_tf.export.polygons import fewest_pixels, require_writer, sieved, write_polygons

LEGEND = Legend(
    ("sea", "Straße", "bare \udcff"),
    np.array([[0, 0, 255], [9, 9, 9], [200, 100, 0]], np.uint8),
    np.array([1, 5, 7], np.int32),
)

UTM = {"crs": CRS.from_epsg(32633), "transform": Affine(0.5, 0, 500000, 0, -0.5, 5800000)}
TURNED = {"crs": CRS.from_epsg(32633), "transform": Affine(0.4, 0.3, 500000, 0.3, -0.4, 5800000)}
DEGREES = {"crs": CRS.from_epsg(4326), "transform": Affine(1e-3, 0, 9, 0, -1e-3, 45)}
MERCATOR = {"crs": CRS.from_epsg(3857), "transform": Affine(50, 0, 1e6, 0, -50, 5621521)}


def noise(height=60, width=90, side=3):
    """Numbers of the legend in blocks, with single pixels among them and a hole of no data."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 3, (height // side, width // side)).repeat(side, 0).repeat(side, 1)
    single = rng.random((height, width)) < 0.05
    indices = np.where(single, rng.integers(0, 3, (height, width)), blocks)
    numbers = LEGEND.numbers[indices].astype(np.uint8)
    numbers[10:30, :25] = 255
    return numbers


def made(folder, numbers, place, smallest=0.0):
    """What is read back of the polygons of some numbers: polygons, columns and the system."""
    written = write_labels(
        folder, "a", iter([numbers]), numbers.shape, LEGEND.file_colours(), place
    )
    path = folder / "a_polygons.gpkg"
    count = write_polygons(path, written[-1], place or {}, LEGEND, smallest)
    meta, _, geometry, fields = pyogrio.raw.read(path)
    assert len(geometry) == count
    return shapely.from_wkb(geometry), dict(zip(meta["fields"], fields, strict=True)), meta["crs"]


def check_topology(polygons, numbers, columns):
    """Valid, no overlaps, no gaps, and each pixel's number is that of the polygon around it.

    Coordinates are those of a picture: x the column, y the negative row.
    """
    assert shapely.is_valid(polygons).all()
    known = numbers != 255
    assert shapely.area(polygons).sum() == known.sum()
    whole = shapely.union_all(polygons)
    # No more than their union: none overlaps another, and no gap is left between them.
    assert whole.area == known.sum()
    rows, across = np.nonzero(known)
    centres = shapely.points(across + 0.5, -rows - 0.5)
    tree = shapely.STRtree(polygons)
    point, polygon = tree.query(centres, predicate="within")
    np.testing.assert_array_equal(point, np.arange(len(centres)))
    np.testing.assert_array_equal(columns["number"][polygon], numbers[known])


@pytest.mark.parametrize("smallest", [0, 12])
def test_polygons_cover_all_that_holds_data_and_share_their_edges(tmp_path, smallest):
    numbers = noise()
    polygons, columns, crs = made(tmp_path, numbers, None, smallest)
    assert "Undefined Cartesian SRS" in crs
    assert "hectares" not in columns
    if smallest:
        known = numbers != 255
        numbers = sieved(numbers, known, smallest)
        assert columns["pixels"].min() >= smallest
    check_topology(polygons, numbers, columns)
    np.testing.assert_array_equal(columns["pixels"], shapely.area(polygons))
    # Neighbours share edges whole: each side between two pixels of different numbers twice.
    lines = shapely.union_all(shapely.boundary(polygons))
    padded = np.pad(numbers, 1, constant_values=255)
    sides = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    assert shapely.length(lines) == sides


def test_columns_say_number_name_and_colour(tmp_path):
    numbers = np.full((4, 6), 5, np.uint8)
    numbers[:2, :3], numbers[3, 5], numbers[0, 5] = 1, 7, 255
    polygons, columns, crs = made(tmp_path, numbers, UTM)
    assert CRS.from_user_input(crs) == UTM["crs"]
    order = np.argsort(columns["number"])
    rows = [tuple(columns[c][i] for c in ("number", "name", "colour", "pixels")) for i in order]
    assert rows == [
        (1, "sea", "#0000ff", 6),
        (5, "Straße", "#090909", 16),
        (7, "bare ?", "#c86400", 1),
    ]
    np.testing.assert_allclose(columns["hectares"][order], [6 / 4e4, 16 / 4e4, 1 / 4e4])
    assert polygons[order[0]].equals(shapely.box(500000, 5800000 - 1, 500001.5, 5800000))


@pytest.mark.parametrize("place", [UTM, TURNED, DEGREES, MERCATOR])
def test_areas_are_those_of_the_table(tmp_path, place):
    numbers = noise()
    polygons, columns, _ = made(tmp_path, numbers, place)
    indices = np.full(256, 255, np.uint8)
    indices[LEGEND.numbers] = np.arange(3)
    areas = AreaSum(place, 3)
    areas.add(indices[numbers])
    for index, number in enumerate(LEGEND.numbers):
        own = columns["number"] == number
        assert columns["pixels"][own].sum() == (numbers == number).sum()
        np.testing.assert_allclose(
            columns["hectares"][own].sum() * 1e4, areas.square_metres[index], rtol=1e-9
        )
    if place in (UTM, TURNED):
        np.testing.assert_allclose(columns["hectares"] * 1e4, shapely.area(polygons), rtol=1e-6)
    # In the corner of the hole: exactly where the pixel's is.
    a, b, c, d, e, f = place["transform"][:6]
    corner = (a * 25 + b * 30 + c, d * 25 + e * 30 + f)
    points = shapely.get_coordinates(polygons)
    assert (points == corner).all(axis=1).any()


def test_the_smallest_area_is_in_square_metres_where_these_are_known():
    assert fewest_pixels(12, {}, (10, 10)) == 12
    assert fewest_pixels(12, UTM, (10, 10)) == 48
    assert fewest_pixels(12.1, UTM, (10, 10)) == 49
    # 111.13 m by 78.7 m at 45 degrees north.
    assert fewest_pixels(2 * 8750, DEGREES, (10, 10)) == 2
    # Half a plane's metre at 45 degrees, where it shows twice the area.
    assert fewest_pixels(9 * 1240, MERCATOR, (10, 10)) == 9


def test_small_regions_go_to_their_neighbour_and_never_over_no_data():
    numbers = np.full((8, 9), 1, np.uint8)
    numbers[2, 2] = 5
    numbers[:, 6] = 255
    numbers[:, 7:] = 7
    numbers[4, 8] = 1
    known = numbers != 255
    found = sieved(numbers, known, 4)
    wanted = numbers.copy()
    wanted[2, 2], wanted[4, 8] = 1, 7
    np.testing.assert_array_equal(found, wanted)
    # All of the right part is less than 20 pixels: it stays as it is.
    wanted[4, 8] = 1
    np.testing.assert_array_equal(sieved(numbers, known, 20), wanted)


def test_a_map_without_data_has_no_polygons(tmp_path):
    polygons, columns, _ = made(tmp_path, np.full((4, 5), 255, np.uint8), UTM)
    assert len(polygons) == 0
    assert list(columns) == ["number", "name", "colour", "pixels", "hectares"]


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise pyogrio.errors.DataSourceError("database or disk is full")

    write_labels(tmp_path, "a", iter([noise()]), (60, 90), LEGEND.file_colours())
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(pyogrio.raw, "write", full)
    with pytest.raises(OSError, match="disk is full"):
        write_polygons(tmp_path / "a_polygons.gpkg", tmp_path / "a_labels.png", {}, LEGEND)
    assert sorted(tmp_path.iterdir()) == before


def test_without_the_packages_one_line_says_how_to_get_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(InputError, match=r"iic_tf\[vector\]"):
        require_writer()
    monkeypatch.setitem(sys.modules, "pyogrio", SimpleNamespace(list_drivers=lambda: {"GPKG": "r"}))
    with pytest.raises(InputError, match="writes GeoPackage"):
        require_writer()
