"""Points and names of images as labels, from CSV files."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from image_files import pixels, save

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.file_scene import FileScene
from iic_tf.data.folder import load_folder
from iic_tf.data.image_folder import load_image_folder
from iic_tf.data.image_set import ImageSet
from iic_tf.data.labelled_images import with_labels
from iic_tf.data.labelled_points import with_points
from iic_tf.data.scene import IGNORE, has_nodata, read_with_valid
from iic_tf.errors import DataMissingError, InputError


@pytest.fixture
def scenes(tmp_path):
    for i, name in enumerate(("a/7.png", "b/7.png", "b/8.tif", "v1.2.png")):
        save(tmp_path / "photos" / name, pixels(6, 9, 3, seed=i))
    return load_folder(tmp_path / "photos")


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "points.csv"
    path.write_bytes(text.encode(encoding))
    return path


def whole(scene):
    return scene.read_mask(0, 0, scene.height, scene.width)


def mask(points, shape=(6, 9)):
    expected = np.full(shape, IGNORE)
    for (row, column), value in points.items():
        expected[row, column] = value
    return expected


def test_points_are_very_sparse_masks(tmp_path, scenes):
    file = table(
        tmp_path,
        "image,row,column,class\na__7,0,0,road\na/7.png,5,8,forest\nb/8.tif,2.99,3,forest\n8,4,1e0,road\n",
    )
    found = with_points(scenes, file)
    assert found.classes.names == ("forest", "road")
    assert [s.has_mask for s in found.scenes] == [True, False, True, False]
    np.testing.assert_array_equal(whole(found.scenes[0]), mask({(0, 0): 1, (5, 8): 0}))
    np.testing.assert_array_equal(whole(found.scenes[2]), mask({(2, 3): 0, (4, 1): 1}))
    assert found.scenes[2].read_mask(2, 3, 3, 2).tolist() == [[0, -1], [-1, -1], [-1, -1]]
    assert whole(found.scenes[0]).dtype == np.int32
    assert [s.name for s in found.labelled.scenes] == ["a__7", "b__8"]
    with pytest.raises(InputError, match="'b__7' without any"):
        whole(found.scenes[1])
    np.testing.assert_array_equal(
        whole(pickle.loads(pickle.dumps(found.scenes[2]))), whole(found.scenes[2])
    )


def test_all_else_of_a_scene_stays(tmp_path, scenes):
    found = with_points(scenes, table(tmp_path, "image,row,column,class\n8,0,0,x\n8,0,1,y\n"))
    for old, new in zip(scenes.scenes, found.scenes, strict=True):
        assert isinstance(new, FileScene)
        assert (new.name, new.height, new.width, new.channels) == (old.name, 6, 9, 3)
        assert new.image is old.image
        np.testing.assert_array_equal(new.read(1, 2, 3, 4), old.read(1, 2, 3, 4))
    np.testing.assert_array_equal(found.low, scenes.low)


def test_scenes_in_memory(tmp_path):
    holes = np.zeros((4, 5, 2), np.float32)
    holes[1, 1] = np.nan
    arrays = from_arrays([holes, holes[:2] + 1], masks=[np.zeros((4, 5), int)] * 1 + [None])
    found = with_points(
        arrays, table(tmp_path, "image,row,column,class\n00001,1,4,a\n00001,0,0,b\n")
    )
    assert [s.has_mask for s in found.scenes] == [False, True]
    assert whole(found.scenes[1]).tolist() == [[1, -1, -1, -1, -1], [-1, -1, -1, -1, 0]]
    assert has_nodata(found.scenes[0])
    assert found.scenes[0].image is holes or found.scenes[0].image is arrays.scenes[0].image
    raw, valid = read_with_valid(found.scenes[0], 0, 0, 2, 2)
    assert valid.tolist() == [[True, True], [True, False]]
    assert not raw.any()


@pytest.mark.parametrize(
    "text",
    [
        "class;row;note;image;column\nroad;1,5;x;8;2\nforest;3;;8;4,0\n",
        "\ufeffIMAGE , Row,column, class\r\n8,1.5,2,road\r\n\r\n8,3,4.0,forest\r\n",
        'image,row,column,class\n"8",1,2," road "\n8,3,4,forest\n8,1,2,road\n',
        "image,row,column,class,score\n8,1,2,road,0.5\n8,3,4,forest,0.1\n",
    ],
)
def test_forms_of_the_file(tmp_path, scenes, text):
    found = with_points(scenes, table(tmp_path, text))
    assert found.classes.names == ("forest", "road")
    np.testing.assert_array_equal(whole(found.scenes[2]), mask({(1, 2): 1, (3, 4): 0}))


def test_a_half_filled_file_says_so(tmp_path, scenes):
    file = table(tmp_path, "image,row,column,class\n8,1,2,\n8,3,4,a\n8,3,5,B\n8,0,0,b\n9,0,0, \n")
    found = with_points(scenes, file)
    assert found.classes.names == ("B", "a", "b")
    assert found.notes[-2].endswith("2 of 5 lines, which have no class")
    assert found.notes[-1] == "'B' and 'b' are taken as different classes"
    np.testing.assert_array_equal(whole(found.scenes[2]), mask({(3, 4): 1, (3, 5): 0, (0, 0): 2}))


def test_numbers_as_names_keep_their_order_and_umlauts_are_one(tmp_path, scenes):
    rows = "".join(f"8,{i},0,{name}\n" for i, name in enumerate(("10", "9", "2")))
    found = with_points(scenes, table(tmp_path, "image,row,column,class\n" + rows))
    assert found.classes.names == ("2", "9", "10")
    text = "image,row,column,class\n8,0,0,Grün\n8,1,0,Gru\u0308n\n8,2,0,Weg\n"
    assert with_points(scenes, table(tmp_path, text)).classes.names == ("Grün", "Weg")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty file"),
        ("image,row,class\n8,1,x\n", "no 'column' among its columns 'image', 'row', 'class'"),
        ("image,row,row,column,class\n8,1,1,1,x\n", "'row' 2 times"),
        ("image,row,column,class\n8,1,2,x\n", "at least 2 classes.*'x' alone"),
        ("image,row,column,class\n8,1,2,\n", "at least 2 classes.*received none"),
        ("image,row,column,class\n8,1,2,x,\n", "4 cells.*received 5 in line 2"),
        ("image,row,column,class\n8,1,2,x\n8,1,2,y\n", r"'x' \(line 2\) and 'y' \(line 3\)"),
        ("image,row,column,class\n8,1,2,x\n8,1.9,2,y\n", "one class for a pixel"),
        ("image,row,column,class\n8,1,2,x\n8,6,2,y\n", "6 rows and 9 columns.*row 6.*line 3"),
        ("image,row,column,class\n8,1,2,x\n8,-.5,2,y\n", "row -.5, column 2 in line 3"),
        ("image,row,column,class\n8,1,2,x\n8,1,nan,y\n", "number in column 'column'.*'nan'"),
        ("image,row,column,class\n8,1,2,x\n8,1_0,2,y\n", "number in column 'row'"),
        ("image,row,column,class\nb_8,1,2,x\n6,1,2,y\n", "2 unknown names, first 'b_8'.*'b__8'"),
        (
            "image,row,column,class\n7.png,1,2,x\n8,1,2,y\n",
            "any of 2 images: 'a__7', 'b__7'",
        ),
        ("image,row,column,class\nv1.3,1,2,x\n8,1,2,y\n", r"received 'v1.3' .*mean 'v1.2'"),
        ('image,row,column,class\n8,1,2,"x\n', "received line 2: unexpected end of data"),
        ("image,row,column,class\n8,1,2,\0\n", "zero bytes"),
    ],
)
def test_refused_in_a_line(tmp_path, scenes, text, said):
    with pytest.raises(InputError, match=said) as caught:
        with_points(scenes, table(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_no_file_and_no_text(tmp_path, scenes):
    with pytest.raises(DataMissingError, match="no file"):
        with_points(scenes, tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="UTF-8"):
        with_points(scenes, table(tmp_path, "image,row,column,class\nGrün,1,1,x", "latin-1"))


def test_names_of_images(tmp_path, scenes):
    rows = "".join(
        f"{name},{i},{i},{'xy'[i % 2]}\n"
        for i, name in enumerate(("v1.2", "v1.2.png", "./v1.2.png", "photos/v1.2.png"))
    )
    found = with_points(scenes, table(tmp_path, "image,row,column,class\n" + rows))
    assert [s.has_mask for s in found.scenes] == [False, False, False, True]
    expected = mask({(0, 0): 0, (1, 1): 1, (2, 2): 0, (3, 3): 1})
    np.testing.assert_array_equal(whole(found.scenes[3]), expected)
    text = "image,row,column,class\nb\\7.png,0,0,x\nb/7,1,1,y\n"
    found = with_points(scenes, table(tmp_path, text))
    assert [s.has_mask for s in found.scenes] == [False, True, False, False]


def test_labels_of_whole_images(tmp_path):
    for i, name in enumerate(("one/7.png", "two/7.png", "two/8.png")):
        save(tmp_path / "photos" / name, pixels(4, 4, 3, seed=i))
    images = load_image_folder(tmp_path / "photos", side=4)
    file = table(tmp_path, "class,image\ndog,two/7.png\ncat,8\n,one/7.png\n")
    found = with_labels(images, file)
    assert (found.class_names, found.labels.tolist()) == (("cat", "dog"), [-1, 1, 0])
    assert found.notes[-1].endswith("1 of 3 lines, which have no class")
    for text, said in (
        ("image,class\n7.png,dog\n8,cat\n", "any of 2 images"),
        ("image,class\n8,dog\n8,cat\n", "one class for an image"),
        ("image,class\n9,dog\n8,cat\n", "received '9' .line 2.: there is 'one/7.png'"),
    ):
        with pytest.raises(InputError, match=said):
            with_labels(images, table(tmp_path, text))


def test_files_that_differ_in_their_suffix_alone_are_told_apart(tmp_path):
    for i, name in enumerate(("7.png", "7.tif")):
        save(tmp_path / "photos" / name, pixels(4, 4, 3, seed=i))
    images = load_image_folder(tmp_path / "photos", side=4)
    text = "image,class\n7.tif,dog\n7.png,cat\n"
    assert with_labels(images, table(tmp_path, text)).labels.tolist() == [0, 1]
    with pytest.raises(InputError, match="'7', which may be any of 2 images"):
        with_labels(images, table(tmp_path, "image,class\n7,dog\n7.png,cat\n"))


def test_images_without_files_are_called_by_their_numbers(tmp_path):
    images = ImageSet("digits", pixels(3, 4, 4, 1))
    found = with_labels(images, table(tmp_path, "image,class\n2,one\n0,two\n"))
    assert found.labels.tolist() == [1, -1, 0]
