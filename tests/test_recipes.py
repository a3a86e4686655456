"""Every recipe can be read, and what the papers state stands in it."""

import pytest

from iic_tf.errors import InputError
from iic_tf.training.methods.iic import IICSegmentation
from iic_tf.training.methods.registry import methods, recipe_of
from iic_tf.training.recipe_files import (
    default_recipe,
    load_recipe,
    read_recipe,
    recipe_for,
    recipe_names,
)

KNOWN = ", ".join(methods())


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_loads_and_has_a_card(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert "iic-tf train" in recipe.about
    assert recipe_of(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("name", "classes", "overclusters", "batch", "rate", "radius"),
    [("potsdam-3", 3, 24, 75, 1e-5, 10), ("potsdam-6", 6, 36, 60, 1e-6, 5)],
)
def test_published_values(
    name: str, classes: int, overclusters: int, batch: int, rate: float, radius: int
) -> None:
    recipe = load_recipe(name)
    assert (recipe.classes, recipe.overclusters) == (classes, overclusters)
    assert (recipe.batch, recipe.rate, recipe.radius) == (batch, rate, radius)
    assert (recipe.crop, recipe.downscale, recipe.width) == (200, 2, 1.0)
    assert recipe.steps == 0


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("dec-mnist", {"trunk": "dense", "batch": 256, "steps": 140, "rate": 0.01, "starts": 20}),
        ("dac-mnist", {"batch": 128, "rate": 1e-3, "eta": 0.009, "epochs": 46}),
        ("adc-mnist", {"batch": 100, "repeats": 3, "rate": 1e-3, "visit": 1.0, "walker": 1.0}),
        ("exemplar-stl10", {"exemplars": 8000, "rate": 0.01}),
        ("scan-cifar10", {"feature_epochs": 500, "self_labelling_epochs": 200, "neighbours": 20}),
        ("scan-cifar10", {"entropy_weight": 5.0, "temperature": 0.1, "confidence": 0.99}),
        ("triplets-mnist", {"form": "kl"}),
    ],
)
def test_published_values_of_other_methods(name: str, published: dict[str, object]) -> None:
    values = load_recipe(name).to_dict()
    assert {key: values[key] for key in published} == published
    # It is the counterpart of IIC's for this data set.
    assert recipe_for(name.partition("-")[2], values["method"]).name == name


def test_cpu_recipes_exist_beside_the_published_ones() -> None:
    assert {"potsdam-3", "potsdam-6", "potsdam-3-cpu", "scenes-cpu", "folder"} <= set(
        recipe_names()
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"classes": 1}, "classes >= 2"),
        ({"overclusters": 1}, "at least 2 overclusters"),
        ({"classes": "three"}, "int for 'classes'"),
        ({"rate": -1.0}, "rate > 0"),
        ({"rate": float("inf")}, "rate > 0 and finite"),
        ({"width": float("inf")}, "width > 0 and finite"),
        ({"classes": 52}, "at most 256 clusters in a head.* received 260 of the overclustering"),
        ({"method": "nope"}, "a setting among"),
        ({"lamb": float("nan")}, "lamb >= 0"),
        ({"speed": 3}, "a setting among"),
        ({"turns": ["sideways"]}, "turns made of"),
        ({"turns": ["overclustering"]}, "trains the main head"),
        ({"precision": "float8"}, "mixed_bfloat16"),
        ({"schedule": "linear"}, "constant or cosine"),
        ({"geometry": {"twist": 1}}, "geometry with some of"),
        ({"photometry": {"hue": 0.7}}, "hue jitter"),
    ],
)
def test_unfit_values_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        IICSegmentation().replaced(**values)


def test_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(InputError, match=r"potsdam-3.*received recipe='potsdam-4'"):
        load_recipe("potsdam-4")


def test_own_file(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("about: mine\nclasses: 4\nrate: 1e-3\n")
    assert load_recipe(str(path)).classes == 4
    assert load_recipe(str(path)).rate == 1e-3
    with pytest.raises(InputError, match="names and values"):
        read_recipe("- 1", "list")
    with pytest.raises(InputError, match="YAML"):
        read_recipe("a: [", "broken")
    with pytest.raises(InputError, match="path of a recipe file"):
        load_recipe(str(tmp_path / "other.yaml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="text in UTF-8 in"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1: 2", "names of settings in recipe 'odd'; received 1"),
        ("method: [iic]", rf"one of {KNOWN}; received method=\['iic'\]"),
        ("task: [clustering]", r"a task, one of .*received task=\['clustering'\]"),
        ("task: sorting", "a task, one of .*received task='sorting'"),
    ],
)
def test_odd_files_are_refused_in_a_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_recipe(text, "odd")


@pytest.mark.parametrize(
    ("name", "method", "found"),
    [
        ("folder", "infoseg", "infoseg-folder"),
        ("infoseg-folder", "infoseg", "infoseg-folder"),
        ("infoseg-folder", "iic", "folder"),
        ("folder", "iic", "folder"),
        ("potsdam-6", "infoseg", "infoseg-potsdam-6"),
        ("mnist", "iic", "mnist"),
        ("pretrained", "kmeans", "kmeans-pretrained"),
        ("kmeans-pretrained", "iic", "pretrained"),
    ],
)
def test_a_method_has_a_recipe_beside_the_other_ones(name: str, method: str, found: str) -> None:
    assert recipe_for(name, method).name == found


def test_each_recipe_of_folders_has_both_methods() -> None:
    of_folders = {"folder", "aerial-cpu", "satellite-cpu", "scenes-cpu", "potsdam-3", "potsdam-6"}
    assert {recipe_for(name, "infoseg").name for name in of_folders} == {
        f"infoseg-{name}" for name in of_folders
    }


@pytest.mark.parametrize(
    ("dataset", "method", "values", "name"),
    [
        ("folder", "iic", {}, "dictionary"),
        ("folder", "iic", {"rate": 0.1, "width": None}, "dictionary"),
        ("folder", "iic", {"trunk": "textures"}, "dictionary"),
        ("folder", "iic", {"trunk": "keras:MobileNetV2"}, "pretrained"),
        ("folder", "iic", {"trunk": "mine.keras"}, "pretrained"),
        ("folder", "iic", {"trunk": "dictionary,mine.keras"}, "dictionary"),
        # What says how a trunk learns asks for one that does.
        ("folder", "iic", {"trunk": "mine.keras", "fine_tune_trunk": True}, "folder"),
        ("folder", "iic", {"trunk": "keras:MobileNetV2", "trunk_weights": "none"}, "folder"),
        ("folder", "iic", {"trunk": "mine.keras", "trunk_weights": "none"}, "pretrained"),
        ("folder", "iic", {"trunk": "vgg11"}, "folder"),
        ("folder", "iic", {"trunk": ""}, "folder"),
        ("folder", "iic", {"width": 0.5}, "folder"),
        ("folder", "iic", {"inputs": "sobel"}, "folder"),
        ("folder", "infoseg", {}, "folder"),
        ("folder", None, {}, "folder"),
        ("images", "iic", {}, "images"),
        ("potsdam", "iic", {}, "potsdam-3"),
        ("scenes", "iic", {"trunk": "textures"}, "scenes-cpu"),
    ],
)
def test_the_recipe_of_whoever_names_none(
    dataset: str, method: str | None, values: dict[str, object], name: str
) -> None:
    assert default_recipe(dataset, None, method, values) == name


@pytest.mark.parametrize(
    ("name", "method", "said"),
    [
        ("mnist", "infoseg", "a recipe of method infoseg.*received recipe='mnist'"),
        ("folder", "lda", f"one of {KNOWN}; received method='lda'"),
        ("nothing", "infoseg", "received recipe='nothing'"),
    ],
)
def test_no_recipe_of_a_method(name: str, method: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        recipe_for(name, method)


def test_a_method_without_a_recipe_of_its_own_takes_the_data_of_the_one_named() -> None:
    theirs = load_recipe("infoseg-cocostuff-3")
    ours = recipe_for("infoseg-cocostuff-3", "iic")
    assert (ours.method, ours.crop, ours.photometry) == ("iic", theirs.crop, theirs.photometry)
    # What InfoSeg says itself, as its batch, is not taken over.
    own = recipe_for("mnist-cpu", "deepcluster")
    mnist = load_recipe("mnist-cpu")
    assert (own.network, own.x, own.gx, own.batch) == ("B", mnist.x, mnist.gx, mnist.batch)
    assert own.rate == 0.05  # its own, and not the recipe's


def test_values_of_one_method_do_not_reach_another(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("method: deepcluster\ndataset: scenes\ncrop: 32\nrate: 0.1\n")
    ours = recipe_for(str(path), "iic")
    assert (ours.crop, ours.rate) == (32, 1e-4)
    theirs = load_recipe("infoseg-cocostuff-3")
    assert theirs.batch != recipe_for("infoseg-cocostuff-3", "iic").batch == 75


def test_a_run_of_another_version_is_read() -> None:
    values = {**load_recipe("folder").to_dict(), "novelty": 3}
    with pytest.raises(InputError, match="a setting among"):
        recipe_of(values)
    assert recipe_of(values, lenient=True) == load_recipe("folder")
    old = {"method": "iic-clustering", "classes": 4, "network": "B"}
    assert recipe_of(old).task == "clustering"
    del values["evaluation_steps"], values["task"]
    values["method"] = "iic-segmentation"
    assert recipe_of(values, lenient=True) == load_recipe("folder")
