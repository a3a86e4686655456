import pickle

import numpy as np
import pytest

from iic_tf.data.classes import load_classes
from iic_tf.data.mask_code import ClassCode, distinct_colours, make_mask_code
from iic_tf.data.scene import IGNORE
from iic_tf.errors import DataMissingError, InputError

COLOURS = """
classes:
  land:            {colours: ["#8429F6"]}
  built:           {colours: ["#3C1098", "#6ec1e4"]}   # a merge
  green and water: {colours: ["#FEDD3A"], show: "#2E8B57"}
ignore: {colours: ["#9B9B9B"]}
"""
VALUES = """
classes:
  one: {values: [3, 4]}
  two: {values: [0, 60000], show: "#010203"}
ignore: {values: [255]}
"""
LAND, BUILT, ROAD, GREEN = (132, 41, 246), (60, 16, 152), (110, 193, 228), (254, 221, 58)


def load(tmp_path, text):
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    return load_classes(path)


def test_colours(tmp_path):
    code = load(tmp_path, COLOURS)
    assert code.table.names == ("land", "built", "green and water")
    assert code.table.colours.tolist() == [list(LAND), list(BUILT), [0x2E, 0x8B, 0x57]]
    assert code.palette == "rgb"
    mask = np.array([[LAND, BUILT, ROAD], [GREEN, (155, 155, 155), (155, 155, 154)]], np.uint8)
    decoded = pickle.loads(pickle.dumps(code)).decode(mask)
    assert decoded.dtype == np.int32
    assert decoded.tolist() == [[0, 1, 1], [2, IGNORE, IGNORE]]
    assert code.unknown(mask) == pytest.approx(1 / 6)
    alpha = np.concatenate([mask, np.full((2, 3, 1), 77, np.uint8)], axis=-1)
    np.testing.assert_array_equal(code.decode(alpha), decoded)
    np.testing.assert_array_equal(code.decode(mask.astype(np.uint16) * 257), decoded)


def test_values(tmp_path):
    code = load(tmp_path, VALUES)
    assert code.palette == "index"
    assert code.table.colours.tolist()[1] == [1, 2, 3]
    mask = np.array([[3, 4, 0], [60000, 255, 7]], np.uint16)
    for form in (mask, mask[..., None], np.repeat(mask[..., None], 3, -1)):
        assert code.decode(form).tolist() == [[0, 0, 1], [1, IGNORE, IGNORE]]
    coloured = np.array([[[1, 2, 3]]], np.uint8)
    with pytest.raises(InputError, match="told by values"):
        code.decode(coloured)


def test_grey_masks_with_colours_and_both_kinds():
    grey = np.array([[0, 255, 9]], np.uint8)
    code = make_mask_code([ClassCode("a", ((0, 0, 0),)), ClassCode("b", ((255, 255, 255),))])
    assert code.decode(grey).tolist() == [[0, 1, IGNORE]]
    both = make_mask_code(
        [ClassCode("a", ((0, 0, 0),), (9,)), ClassCode("b", ((255, 255, 255),), (255,))]
    )
    assert both.decode(grey).tolist() == [[IGNORE, 1, 0]]
    assert both.decode(np.array([[[0, 0, 0]]], np.uint8)).tolist() == [[0]]


def test_ignored_values_beside_class_colours(tmp_path):
    code = load(tmp_path, COLOURS.replace('["#9B9B9B"]}', '["#9B9B9B"], values: [255]}'))
    assert code.decode(np.array([[LAND]], np.uint8)).tolist() == [[0]]
    assert code.decode(np.array([[255]], np.uint8)).tolist() == [[IGNORE]]


def test_blocks_of_large_masks():
    code = make_mask_code([ClassCode("a", values=(0,)), ClassCode("b", values=(1,))])
    mask = np.random.default_rng(0).integers(0, 3, (1500, 701), np.uint8)
    np.testing.assert_array_equal(code.decode(mask), np.array([0, 1, IGNORE])[mask])


def test_distinct_colours():
    colours = distinct_colours(30)
    assert len(set(colours)) == 30
    assert all(0 <= part <= 255 for colour in colours for part in colour)


def test_missing_file(tmp_path):
    with pytest.raises(DataMissingError, match=r"none\.yaml"):
        load_classes(tmp_path / "none.yaml")


A, B = 'a: {colours: ["#000001"]}', 'b: {colours: ["#000002"]}'
MISTAKES = {
    "": "keys classes and ignore; received None",
    "- 1": "keys classes and ignore",
    "classes: [1, 2]": "classes: Expected at least 2 classes",
    "classes: {}": "classes: Expected at least 2 classes",
    f"classes: {{{A}}}": "at least 2 classes; received 1",
    f"clases: {{{A}, {B}}}": "received 'clases'",
    f"classes: {{{A}, {B}}}\nignored: {{}}": "received 'ignored'",
    f"classes: {{{A}, b: {{colors: []}}}}": "classes: b: Expected the keys.*received 'colors'",
    f"classes: {{{A}, b: {{colours: ['#12']}}}}": "classes: b: colours: Expected a colour",
    f"classes: {{{A}, b: {{colours: [808080]}}}}": "classes: b: colours: .*received 808080",
    f"classes: {{{A}, b: {{colours: '#000002'}}}}": "classes: b: colours: Expected a list",
    f"classes: {{{A}, b: {{colours: ['#000001']}}}}": "colour once; received #000001 in 'a' and",
    f"classes: {{{A}, {B}}}\nignore: {{colours: ['#000001']}}": "'a' and 'ignore'",
    f"classes: {{{A}, {B}}}\nignore: {{show: '#000009'}}": "ignore: Expected the keys",
    f"classes: {{{A}, b: {{}}}}": "classes: b: Expected colours or values",
    f"classes: {{{A}, b: [1]}}": "classes: b: Expected a mapping",
    f"classes: {{{A}, b: {{values: [1]}}}}": "'a' with colours, 'b' with values",
    f"classes: {{{A}, b: {{values: [70000]}}}}": "values: Expected whole numbers",
    f"classes: {{{A}, b: {{values: [true]}}}}": "values: Expected whole numbers",
    f"classes: {{{A}, {A}}}": "'a' comes twice",
    f"classes: {{{A}, no: {{values: [1]}}}}": "class names as text",
    "classes:\n  a: {colours: [#000001]}": "YAML with colours in quotes",
    f"classes: {{{A}, b: {{values: [1], show: red}}}}": "show: Expected a colour",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_name_file_and_key(tmp_path, text):
    with pytest.raises(InputError, match=rf"(?s)classes\.yaml.*{MISTAKES[text]}"):
        load(tmp_path, text)


def test_same_name_twice():
    with pytest.raises(InputError, match="different name"):
        make_mask_code([ClassCode("a", values=(0,)), ClassCode("a", values=(1,))])
