"""Masks that do not hold what their classes file lists."""

import numpy as np
import pytest
from image_files import save
from PIL import Image

from iic_tf.data.folder import load_folder
from iic_tf.data.mask_code import ClassCode, make_mask_code
from iic_tf.data.mask_sample import check_listed
from iic_tf.data.raster import Raster
from iic_tf.errors import InputError

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (155, 155, 155)
COLOURS = make_mask_code([ClassCode("red", (RED,)), ClassCode("blue", (BLUE,))])
VALUES = make_mask_code([ClassCode("a", values=(0,)), ClassCode("b", values=(100,))])


def halves(left=RED, right=BLUE, size=64):
    drawn = np.empty((size, size, 3), np.uint8)
    drawn[:, : size // 2], drawn[:, size // 2 :] = left, right
    return drawn


def mask(path, drawn, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn).save(path, **options)
    return path


def test_masks_as_they_were_drawn(tmp_path):
    masks = [Raster(mask(tmp_path / f"{i}.png", halves())) for i in range(3)]
    assert check_listed(masks, COLOURS) == ()


def test_what_is_not_listed_is_told(tmp_path):
    drawn = halves()
    drawn[:16] = GREY
    drawn[:8] = 0
    masks = [Raster(mask(tmp_path / "1.png", drawn)), Raster(mask(tmp_path / "2.png", halves()))]
    assert check_listed(masks, COLOURS) == (
        "12.5 % of the masks' pixels have colours or values that the classes file doesn't list, "
        "and are ignored (#000000 6.2 %, #9B9B9B 6.2 %)",
    )
    listed = make_mask_code(
        [ClassCode("red", (RED,)), ClassCode("blue", (BLUE,))],
        ClassCode("ignore", (GREY, (0, 0, 0))),
    )
    assert check_listed(masks, listed) == ()
    grey = Raster(mask(tmp_path / "3.png", np.full((9, 9), 7, np.uint8)), "index")
    assert "(7 100.0 %)" in check_listed([grey], VALUES)[0]


@pytest.mark.parametrize("name", ["1.jpg", "1.png"])
def test_colours_off_by_a_little(tmp_path, name):
    # A JPEG saved as PNG has what JPEG left.
    jpeg = mask(tmp_path / "first.jpg", halves(), quality=85)
    path = tmp_path / "m" / name
    mask(path, np.asarray(Image.open(jpeg)), **({"quality": 85} if name == "1.jpg" else {}))
    with pytest.raises(InputError, match=r"received \d+\.\d % of .*#FE0000 .* '1\.\w+', as JPEG"):
        check_listed([Raster(path)], COLOURS)


def test_a_few_blurred_borders_are_let_through(tmp_path):
    drawn = halves()
    drawn[0, :30] = (250, 3, 3)
    assert "0.7 %" in check_listed([Raster(mask(tmp_path / "1.png", drawn))], COLOURS)[0]
    drawn[1, :30] = (250, 3, 3)
    with pytest.raises(InputError, match=r"1\.5 % of the pixels"):
        check_listed([Raster(mask(tmp_path / "1.png", drawn))], COLOURS)


def test_numbers_in_jpeg(tmp_path):
    drawn = np.zeros((64, 64), np.uint8)
    drawn[:, 19:] = 100
    path = mask(tmp_path / "m.jpg", drawn, quality=60)
    with pytest.raises(InputError, match="not listed and close"):
        check_listed([Raster(path, "index")], VALUES)
    close = make_mask_code([ClassCode("a", values=(0,)), ClassCode("b", values=(1,))])
    even = Raster(mask(tmp_path / "even.jpg", np.zeros((8, 8), np.uint8)), "index")
    with pytest.raises(InputError, match="more than classes are apart"):
        check_listed([even], close)
    assert check_listed([even], VALUES) == ()


def test_a_folder_says_so_before_training(tmp_path):
    save(tmp_path / "i/1.png", halves())
    mask(tmp_path / "m/1.jpg", halves(), quality=85)
    (tmp_path / "c.yaml").write_text(
        'classes: {red: {colours: ["#FF0000"]}, blue: {colours: ["#0000FF"]}}'
    )
    with pytest.raises(InputError, match="as JPEG leaves them"):
        load_folder(tmp_path / "i", tmp_path / "m", tmp_path / "c.yaml")
    with pytest.raises(InputError, match="a JPEG, which changes colours"):
        load_folder(tmp_path / "i", tmp_path / "m")
    (tmp_path / "m/1.jpg").unlink()
    drawn = halves()
    drawn[:16] = 0
    mask(tmp_path / "m/1.png", drawn)
    found = load_folder(tmp_path / "i", tmp_path / "m", tmp_path / "c.yaml")
    assert found.notes == (
        "25.0 % of the masks' pixels have colours or values that the classes file doesn't list, "
        "and are ignored (#000000 25.0 %)",
    )
