"""The data sets by name: each registered once, with options of its own."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from image_files import mnist_files, pixels, save

from iic_tf.data.registry import (
    IMAGES,
    SCENES,
    FileSource,
    Source,
    check_options,
    dataset,
    dataset_names,
    option,
    options,
    source_class,
    source_from_dict,
)
from iic_tf.errors import InputError
from iic_tf.options import Verb, command, from_source

# As runs of before 0.2 keep them: the values of all data sets of a kind.
OLD_SCENES = {"data": None, "classes": 3, "masks": None, "class_file": None, "image_glob": None}
OLD_SCENES |= {"mask_glob": None, "stretch": None, "bands": "RGBIR", "count": 24, "size": 256}
OLD_SCENES |= {"data_seed": 0}
OLD_IMAGES = {"data": None, "side": 96, "download": False}


@pytest.mark.parametrize("name", dataset_names())
def test_every_data_set(name):
    source = source_class(name)
    assert (source.name, source.kind in (SCENES, IMAGES)) == (name, True)
    assert source.about
    assert "\n" not in source.about
    assert source.__doc__
    assert [o.name for o in options(name)]
    for its in options(name):
        assert its.help
        assert name in its.datasets
    made = source()
    values = made.to_dict()
    assert values["dataset"] == name
    assert source_from_dict(json.loads(json.dumps(values))) == made
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("name", dataset_names())
def test_values_of_older_runs_load(name):
    old = OLD_SCENES if source_class(name).kind == SCENES else OLD_IMAGES
    assert source_from_dict({"dataset": name, **old}) == source_class(name)()


@pytest.mark.parametrize("name", dataset_names())
def test_an_option_means_the_same_to_all_that_know_it(name):
    for its in options(name):
        (own,) = (o for o in options() if o.name == its.name)
        assert own == its
        kinds = {
            str(f.type)
            for other in its.datasets
            for f in dataclasses.fields(source_class(other))
            if f.name == its.name
        }
        # Only bands are told in words by one set, and chosen among a few by another.
        assert len(kinds) == 1 or its.name == "bands"


def test_names_are_sorted_within_their_kind():
    assert dataset_names(SCENES) == ["folder", "potsdam", "scenes", "spacenet"]
    known = ["cifar10", "cifar100-20", "fashion_mnist", "images", "mnist", "stl10"]
    assert dataset_names(IMAGES) == known
    assert dataset_names() == [*known, "folder", "potsdam", "scenes", "spacenet"]


def test_data_sets_load_from_plain_values(tmp_path):
    scenes = source_from_dict({"dataset": "scenes", "count": 2, "size": 64, "classes": 6}).load()
    assert (len(scenes.scenes), len(scenes.classes)) == (2, 6)
    save(tmp_path / "photos/a.png", pixels(9, 9, 3))
    # What the recipe says of other data sets means nothing to a folder.
    place = {"dataset": "folder", "data": str(tmp_path / "photos"), "classes": 5, "side": 8}
    assert source_from_dict(place).load().channels == 3
    images, _ = mnist_files(tmp_path / "digits")
    found = source_from_dict({"dataset": "mnist", "data": tmp_path / "digits", "side": 96}).load()
    np.testing.assert_array_equal(found.images, images[..., None])


def test_lists_become_tuples_and_paths_text(tmp_path):
    source = source_from_dict({"dataset": "folder", "data": tmp_path, "stretch": [2, 98]})
    assert source == source_class("folder")(data=str(tmp_path), stretch=(2.0, 98.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"dataset": "coco"},
            "among cifar10, .*, folder, potsdam, scenes, spacenet; received dataset='coco'",
        ),
        ({"dataset": None}, "received dataset=None"),
        ({"dataset": ["mnist"]}, "received dataset="),
        (
            {"colour": 3},
            "a value of a data set among background, bands, .* stretch; received colour=3",
        ),
        ({"dataset": "potsdam", "bands": "NIR"}, "one of RGBIR, RGB, IRRG; received bands='NIR'"),
        ({"stretch": [2]}, r"2 numbers for 'stretch'; received stretch=\[2\]"),
        ({"stretch": "2 98"}, "2 numbers for 'stretch'; received stretch='2 98'"),
        ({"masks": 3}, "text for 'masks'; received masks=3"),
        ({"dataset": "scenes", "count": True}, "a whole number for 'count'; received count=True"),
        ({"dataset": "scenes", "size": 1.5}, "a whole number for 'size'; received size=1.5"),
        ({"dataset": "mnist", "download": "no"}, "true or false for 'download'; received down"),
    ],
)
def test_wrong_values(values, message):
    with pytest.raises(InputError, match=f"^Expected .*{message}"):
        source_from_dict(values)


def test_a_kind_of_data_can_be_asked_for():
    with pytest.raises(
        InputError, match="among folder, potsdam, scenes, spacenet; received dataset='mnist'"
    ):
        source_from_dict({"dataset": "mnist"}, SCENES)
    assert source_class("mnist", IMAGES).kind == IMAGES


@pytest.mark.parametrize("name", ["folder", "potsdam", "images"])
def test_a_folder_is_asked_for(name):
    with pytest.raises(InputError, match=r"Expected --data with the folder of .*; received none"):
        source_class(name)().load()


@pytest.mark.parametrize("name", ["potsdam", "scenes"])
def test_numbers_of_classes(name):
    with pytest.raises(InputError, match=f"3 or 6 classes for data set '{name}'; received classes"):
        source_from_dict({"dataset": name, "data": ".", "classes": 4}).load()


def test_options_given_to_a_data_set_that_does_not_know_them():
    check_options("folder", {"data": "x", "masks": "y", "overwrite": True, "classes": 4})
    with pytest.raises(InputError) as caught:
        check_options("scenes", ["bands"])
    assert str(caught.value) == (
        "Expected --bands only with data sets folder, potsdam, spacenet; received it with scenes."
    )
    with pytest.raises(InputError, match=r"--image-glob only with data set folder; .* with mnist"):
        check_options("mnist", ["data", "image_glob"])
    with pytest.raises(InputError, match=r"--download only with data sets cifar10, .*, stl10; rec"):
        check_options("scenes", ["download"])
    with pytest.raises(InputError, match="--data only with data sets"):
        check_options("scenes", ["data"])


def test_a_command_line_is_made_of_the_options():
    given: dict[str, Any] = {}
    verb = Verb("load", "load data", given.update, lambda: [from_source(o) for o in options()])
    line = ["--data", "x", "--stretch", "2", "98", "--download", "--bands", "RGB", "--count", "3"]
    command("iic-tf", "1", "", [verb], ["load", *line])()
    assert given == {
        **{"data": "x", "stretch": (2.0, 98.0), "download": True, "bands": "RGB", "count": 3}
    }
    assert source_from_dict({"dataset": "folder", **given}).stretch == (2.0, 98.0)
    assert [o.name for o in options() if o.path] == ["data", "masks", "class_file"]


def test_an_option_that_sets_read_differently_is_free_text_and_each_checks_its_own():
    (bands,) = (o for o in options() if o.name == "bands")
    assert (bands.type, bands.choices, bands.datasets) == (
        str,
        (),
        ("folder", "potsdam", "spacenet"),
    )
    assert bands.help == (
        "folder: numbers from 1, as 4,1,2, or names of files, as B02,B03; "
        "potsdam: bands of the tiles (RGBIR, RGB, IRRG); spacenet: bands of the tiles (RGBIR, RGB)"
    )
    line = ["load", "--bands", "B02,B03"]
    given: dict[str, Any] = {}
    verb = Verb("load", "load data", given.update, lambda: [from_source(bands)])
    command("iic-tf", "1", "", [verb], line)()
    assert source_from_dict({"dataset": "folder", **given}).bands == "B02,B03"
    with pytest.raises(InputError, match="one of RGBIR, RGB, IRRG; received bands='B02,B03'"):
        source_from_dict({"dataset": "potsdam", **given})


@pytest.fixture
def _registered(monkeypatch):
    """Data sets of a test are forgotten after it."""
    dataset_names()
    from iic_tf.data import registry

    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))


@pytest.mark.usefixtures("_registered")
def test_a_data_set_of_ones_own():
    @dataset("mine", IMAGES, "my own")
    @dataclass(frozen=True, kw_only=True)
    class Mine(FileSource):
        """Mine."""

        shades: int = option(2, help="of grey")

        def load(self):
            return self.folder, self.shades

    assert "mine" in dataset_names(IMAGES)
    assert options("mine")[-1].flag == "--shades"
    assert source_from_dict({"dataset": "mine", "data": "x", "shades": 3}).load() == ("x", 3)
    # Others leave it out, now that it is known.
    assert source_from_dict({"dataset": "scenes", "shades": 3}) == source_class("scenes")()
    with pytest.raises(ValueError, match="one data set called 'mine'"):
        dataset("mine", IMAGES, "another")(Source)


def test_names_are_known_whatever_is_imported_first():
    program = (
        "from iic_tf.data.registry import dataset_names\n"
        "import sys\n"
        "assert 'mnist' in dataset_names() and 'potsdam' in dataset_names()\n"
        "assert 'tensorflow_datasets' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
