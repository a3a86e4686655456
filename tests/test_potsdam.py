import numpy as np
import pytest
import tifffile
from PIL import Image
from real_data import shared_data

from iic_tf.data.potsdam import load_potsdam
from iic_tf.data.scene import IGNORE
from iic_tf.errors import DataMissingError, InputError

FOLDERS = {"RGB": "2_Ortho_RGB", "IRRG": "3_Ortho_IRRG", "RGBIR": "4_Ortho_RGBIR"}
# White, blue, cyan, green, yellow, red, black and a colour that is none of these.
ROW = [
    (255, 255, 255), (0, 0, 255), (0, 255, 255), (0, 255, 0),
    (255, 255, 0), (255, 0, 0), (0, 0, 0), (252, 255, 0),
]  # fmt: skip
SIX = [0, 1, 2, 3, 4, 5, IGNORE, IGNORE]
THREE = [0, 1, 2, 2, 0, 1, IGNORE, IGNORE]


def image(root, tile, bands="RGBIR", folder=None):
    path = root / (FOLDERS[bands] if folder is None else folder) / f"top_potsdam_{tile}_{bands}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).integers(0, 255, (5, 8, 4 if bands == "RGBIR" else 3))
    tifffile.imwrite(path, pixels.astype(np.uint8), photometric="rgb", rowsperstrip=1)


def label(root, tile, eroded=False, folder=None, row=ROW):
    kind, suffix = ("5_Labels_all_noBoundary", "_noBoundary") if eroded else ("5_Labels_all", "")
    path = root / (kind if folder is None else folder) / f"top_potsdam_{tile}_label{suffix}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.array([row] * 5, np.uint8), photometric="rgb")


@pytest.mark.parametrize(("classes", "row"), [(6, SIX), (3, THREE)])
def test_classes_by_hand(tmp_path, classes, row):
    image(tmp_path, "2_10"), label(tmp_path, "2_10")
    found = load_potsdam(tmp_path, classes)
    assert found.scenes[0].read_mask(1, 0, 2, 8).tolist() == [row, row]
    assert (found.name, found.channels, found.rgb) == (f"potsdam{classes}", 4, (0, 1, 2))
    assert len(found.classes) == classes
    assert found.high.tolist() == [255] * 4


def test_six_names_and_colours(tmp_path):
    image(tmp_path, "2_10"), label(tmp_path, "2_10")
    table = load_potsdam(tmp_path, 6).classes
    assert table.names == ("road", "building", "low vegetation", "tree", "car", "clutter")
    assert table.colours.tolist() == [list(c) for c in ROW[:6]]


@pytest.mark.parametrize("below", ["", "Potsdam", "data/Potsdam"])
@pytest.mark.parametrize("bands", ["RGB", "IRRG", "RGBIR"])
def test_folders(tmp_path, below, bands):
    root = tmp_path / below
    for tile in ("3_10", "2_10", "2_9"):
        image(root, tile, bands)
    label(root, "2_10")
    found = load_potsdam(root.parent if below else root, bands=bands)
    assert [s.name for s in found.scenes] == ["potsdam_2_9", "potsdam_2_10", "potsdam_3_10"]
    assert [s.has_mask for s in found.scenes] == [False, True, False]
    assert found.channels == (4 if bands == "RGBIR" else 3)


def test_flat_folder_and_unlabelled(tmp_path):
    image(tmp_path, "2_10", folder="")
    assert load_potsdam(tmp_path).labelled is None
    assert load_potsdam(tmp_path).classes is None
    label(tmp_path, "2_10", folder="")
    assert load_potsdam(tmp_path).labelled is not None


def test_eroded_labels_and_falling_back(tmp_path):
    black, white = [ROW[6]] * 8, [ROW[0]] * 8
    for tile in ("2_10", "2_11", "2_12"):
        image(tmp_path, tile)
    label(tmp_path, "2_10", row=white), label(tmp_path, "2_10", eroded=True, row=black)
    label(tmp_path, "2_11", row=white), label(tmp_path, "2_12", eroded=True, row=black)

    def first(eroded):
        scenes = load_potsdam(tmp_path, eroded=eroded).scenes
        return [s.read_mask(0, 0, 1, 1).item() for s in scenes]

    assert first(eroded=True) == [IGNORE, 0, IGNORE]
    assert first(eroded=False) == [0, 0, IGNORE]


def test_missing(tmp_path):
    with pytest.raises(DataMissingError, match=r"4_Ortho_RGBIR/.*no such folder.*Commission II"):
        load_potsdam(tmp_path / "nowhere")
    with pytest.raises(DataMissingError, match="a folder with nothing"):
        load_potsdam(tmp_path)
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(DataMissingError, match=r"a folder with \['photo\.jpg'\]"):
        load_potsdam(tmp_path)
    image(tmp_path, "2_10", "RGB")
    with pytest.raises(DataMissingError, match=r"1 of RGB.*Or use bands='RGB'"):
        load_potsdam(tmp_path)


def test_wrong_settings_and_channels(tmp_path):
    with pytest.raises(InputError, match="classes=4"):
        load_potsdam(tmp_path, 4)
    with pytest.raises(InputError, match="bands='NIR'"):
        load_potsdam(tmp_path, bands="NIR")
    image(tmp_path, "2_10", "RGB")
    (tmp_path / FOLDERS["RGB"]).rename(tmp_path / "x")
    path = tmp_path / "x" / "top_potsdam_2_10_RGB.tif"
    path.rename(path.with_name("top_potsdam_2_10_RGBIR.tif"))
    with pytest.raises(InputError, match="Expected 4 channels; received 3"):
        load_potsdam(tmp_path)


def test_real_sample():
    folder = shared_data("isprs_samples")
    found = load_potsdam(folder / "isprs_layout" / "Potsdam", 6, "RGB")
    mask = found.scenes[0].read_mask(0, 0, 512, 512)
    other = folder / "potsdam" / "ann_dir" / "2_10_0_0_512_512.png"
    # There 0 is the boundary and the classes are 1 to 6, in the same order.
    np.testing.assert_array_equal(mask, np.array(Image.open(other)).astype(int) - 1)
