"""The installed package is whole: all rooms, the recipes, the console script."""

import importlib
from importlib import metadata, resources

import pytest


@pytest.mark.parametrize(
    "name",
    ["iic_tf", "iic_tf.cli", "iic_tf.training.train", "iic_tf.training.evaluate", "iic_tf.export"],
)
def test_rooms_are_importable(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_recipes_and_types_travel_with_the_package() -> None:
    assert (resources.files("iic_tf.training.recipes") / "potsdam-3.yaml").is_file()
    assert (resources.files("iic_tf") / "py.typed").is_file()
    assert (resources.files("iic_tf.export.page") / "assets" / "page.html").is_file()


def test_metadata() -> None:
    import iic_tf

    assert metadata.version("iic_tf") == iic_tf.__version__
    scripts = metadata.entry_points(group="console_scripts", name="iic-tf")
    assert {s.value for s in scripts} == {"iic_tf.cli:main"}
    extras = metadata.metadata("iic_tf").get_all("Provides-Extra")
    assert {"cuda", "serving", "dev"} <= set(extras)
