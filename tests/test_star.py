"""IIC*: one head of overclusters, and scores of clusters that are mapped many to one."""

import json
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
from image_files import mnist_files
from PIL import Image
from tiny_run import make_clustering_run, make_run

from iic_tf.cli import main
from iic_tf.data.mnist import load_mnist
from iic_tf.data.registry import source_from_dict
from iic_tf.errors import InputError
from iic_tf.metrics import many_to_one
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.training.evaluate import evaluate, head_scores
from iic_tf.training.folds import FoldConfusions, Split
from iic_tf.training.json_files import write_json
from iic_tf.training.methods.iic import IICClustering, IICSegmentation
from iic_tf.training.recipe_files import load_recipe, run_recipe
from iic_tf.turns import MAIN
from iic_tf.views.central_views import central_views
from iic_tf.views.draws import generator

FIGURES = "epoch,main_loss,main_loss_0,main_loss_1\n1,-0.5,-0.4,-0.5\n"


# --- one head


@pytest.mark.parametrize("kind", [IICSegmentation, IICClustering])
def test_the_model_has_one_head_of_overclusters(kind) -> None:
    recipe = kind().replaced(star=True, classes=3, overclusters=7, width=0.05, sub_heads=1)
    assert recipe.clusters == {"main": 7}
    assert not recipe.one_to_one
    assert recipe.replaced(star=False).one_to_one
    model = recipe.build(3)
    assert list(model.heads) == ["main"]
    assert model.heads["main"].clusters == 7
    assert set(model.turns) == {"main"}
    assert "one head of 7 clusters" in recipe.describe_model()
    # Without a word: so many for each class.
    assert kind().replaced(star=True, classes=3).clusters == {"main": 15}


def test_a_segmenter_without_overclustering_head_is_made_again_from_its_config() -> None:
    model = IICSegmenter(4, 0, 3, width=0.05)
    assert model.turns == ("main",)
    assert IICSegmenter(4, None, 3, width=0.05).get_config()["overclusters"] == 0
    assert model(np.zeros((1, 8, 8, 3), np.float32)).shape == (1, 8, 8, 4)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert list(again.heads) == ["main"]
    with pytest.raises(InputError, match="turns made of main; received"):
        IICSegmenter(4, 0, 3, width=0.05, turns=("overclustering", "main"))


def test_unlabelled_images_of_their_own_are_learned_from_too() -> None:
    assert load_recipe("stl10-star").wide_turns == ("overclustering",)
    assert load_recipe("stl10").wide_turns == ("overclustering", "main")


@pytest.mark.parametrize(
    ("name", "k", "classes", "pairs", "network"),
    [
        # IIC 2019, supplementary table 2, IIC*.
        ("stl10-star", 140, 10, 1400, "A"),
        ("cifar10-star", 140, 10, 1320, "A"),
        ("cifar100-20-star", 280, 20, 2800, "B"),
        ("mnist-star", 25, 10, 350, "B"),
        ("cocostuff-3-star", 15, 3, 180, "C"),
        ("cocostuff-15-star", 45, 15, 90, "C"),
        ("potsdam-3-star", 9, 3, 75, "C"),
        ("potsdam-6-star", 24, 6, 60, "C"),
    ],
)
def test_published_values(name: str, k: int, classes: int, pairs: int, network: str) -> None:
    recipe = load_recipe(name)
    assert (recipe.clusters, recipe.classes) == ({"main": k}, classes)
    assert recipe.batch * getattr(recipe, "repeats", 1) == pairs
    assert getattr(recipe, "network", "C") == network


# --- parts of the labels


def test_mapping_by_the_published_rule() -> None:
    # Clusters 0 to 3 of eight samples, the first four labelled: 3 has no label, and classes are
    # equally frequent among the labelled, so that it gets the lowest.
    clusters, truth = [0, 0, 1, 1, 2, 2, 3, 0], [1, 1, 0, 0, 0, 1, 0, 0]
    counts = np.zeros((2, 4), np.int64)
    for cluster, of in list(zip(clusters, truth, strict=True))[:4]:
        counts[of, cluster] += 1
    mapping = many_to_one(counts)
    assert mapping.tolist() == [1, 0, 0, 0]
    assert np.mean(mapping[clusters] == truth) == 0.75


def test_labelled_images_give_the_mapping_and_are_not_scored() -> None:
    shown, rest = [[3, 0, 1], [1, 2, 0]], [[1, 4, 2], [5, 0, 3]]
    found = FoldConfusions(
        [{MAIN: [np.asarray(part, np.int64)]} for part in (shown, rest)], mapped_first=True
    )
    assert found.whole(MAIN, 0).tolist() == rest
    assert found.shown(MAIN, 0).tolist() == shown
    # Clusters 0, 1, 2 are a, b, a: right are 1 and 2 of a, 0 of b.
    result = head_scores(found, "ab", MAIN, 0, matched=False)
    assert result.accuracy == pytest.approx((1 + 2 + 0) / 15)


def test_one_to_one_by_the_labelled_alone() -> None:
    parts = [[[3, 0], [1, 2]], [[1, 4], [5, 0]]]
    found = FoldConfusions([{MAIN: [np.asarray(part)]} for part in parts], mapped_first=True)
    assert head_scores(found, "ab", MAIN, 0, matched=True).accuracy == pytest.approx(1 / 10)
    over_all = FoldConfusions([{MAIN: [np.asarray(part)]} for part in parts])
    # [[4, 4], [6, 2]]: swapped.
    assert head_scores(over_all, "ab", MAIN, 0, matched=True).accuracy == pytest.approx(10 / 16)


def test_the_labelled_are_drawn_by_seed() -> None:
    names = [f"scene {i}" for i in range(9)]
    drawn, rest = Split(labelled=3).parts(names, seed=1)
    assert (len(drawn), len(rest)) == (3, 6)
    assert sorted([*drawn, *rest]) == names
    assert Split(labelled=3).parts(names, 1)[0] == drawn
    assert any(Split(labelled=3).parts(names, seed)[0] != drawn for seed in (2, 3, 4))
    with pytest.raises(InputError, match=r"fewer labelled images than the 9.*received labelled=9"):
        Split(labelled=9).parts(names, 0)
    with pytest.raises(InputError, match="at least 1 labelled image; received labelled=0"):
        Split(labelled=0)


# --- evaluation


@pytest.fixture
def star(tmp_path: Path):
    """A run of six clusters on 30 images of two classes; the seventh and on are of b."""
    rng = np.random.default_rng(0)
    for name, count in (("a", 12), ("b", 18)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(count):
            low, high = (0, 160) if name == "a" else (60, 256)
            values = rng.integers(low, high, (4, 4, 3)).repeat(6, 0).repeat(6, 1)
            Image.fromarray(values.astype(np.uint8)).save(tmp_path / "images" / name / f"{i}.png")
    run = make_clustering_run(tmp_path, star=True, overclusters=6, classes=2)
    source = {"dataset": "images", "data": str(tmp_path / "images"), "side": 24}
    write_json(run.config_file, {**run.config(), "source": source})
    run.metrics_file.write_text(FIGURES)
    return run


def clusters_of(run) -> tuple[list[int], list[int]]:
    """Class and cluster of each image, by the model itself."""
    images = source_from_dict(run.config()["source"]).load()
    model = run.load_best()
    views = central_views(images, run_recipe(run).x)
    found = np.concatenate([np.asarray(model(v)).argmax(-1) for v in views])
    return images.labels.tolist(), found.tolist()


def accuracy(truth, found, parts) -> float:
    """Of each part with the mapping of its own labelled images, image by image."""
    right = total = 0
    for labelled, scored in parts:
        commonest = Counter(truth[i] for i in labelled)
        default = min(commonest, key=lambda c: (-commonest[c], c))
        for i in scored:
            there = Counter(truth[j] for j in labelled if found[j] == found[i])
            guess = min(there, key=lambda c: (-there[c], c)) if there else default
            right += guess == truth[i]
            total += 1
    return right / total


def test_iic_star_is_scored_many_to_one_across_folds(star, capsys) -> None:
    assert main(["evaluate", str(star.folder), "--folds", "3"]) == 0
    shown = capsys.readouterr().out
    result = json.loads(star.evaluation_file.read_text())
    truth, found = clusters_of(star)
    fold = generator(0, 0, 0, "folds").permutation(30) % 3
    parts = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(3)]
    assert len(set(found)) > 2
    assert result["accuracy"] == pytest.approx(accuracy(truth, found, parts))
    assert result["mapping"] == "many to one"
    assert result["largest_class"] == {"name": "b", "share": 0.6}
    assert "main head: many to one, each of 3 folds" in result["protocol"]
    assert "overclustering" not in result
    assert set(result["baselines"]) == {"kmeans", "kmeans_features", "untrained"}
    assert "trained, many to one" in shown
    assert "largest class (b)                    0.600" in shown
    assert (star.pictures / "bars_matched.png").is_file()


def test_few_labels_give_the_mapping_of_all_others(star, capsys) -> None:
    assert main(["evaluate", str(star.folder), "--labelled", "8"]) == 0
    result = json.loads(star.evaluation_file.read_text())
    truth, found = clusters_of(star)
    drawn = Split(labelled=8).draw(30, 0)
    rest = [i for i in range(30) if i not in drawn]
    assert result["accuracy"] == pytest.approx(accuracy(truth, found, [(drawn, rest)]))
    assert (result["labelled"], result["images"], result["folds"]) == (8, 22, None)
    assert "mapped on 8 drawn images, scored on the 22 others" in result["protocol"]
    assert main(["evaluate", str(star.folder), "--labelled", "30"]) == 2
    assert main(["evaluate", str(star.folder), "--labelled", "8", "--folds", "3"]) == 2
    assert "--folds or --labelled" in capsys.readouterr().err


def test_other_numbers_of_classes_are_scored_many_to_one(tmp_path: Path) -> None:
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        mask = (np.arange(30) > 6 + i)[None].repeat(30, 0)
        image = mask[..., None] * 90 + rng.integers(0, 90, (30, 30, 3))
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "masks" / f"{i}.png")
    run = make_run(tmp_path, classes=3)
    source = {"dataset": "folder", "data": str(tmp_path / "images")}
    source["masks"] = str(tmp_path / "masks")
    write_json(run.config_file, {**run.config(), "source": source})
    run.metrics_file.write_text(
        "epoch,main_loss,main_loss_0,overclustering_loss_0\n1,-0.5,-0.5,-0.5\n"
    )
    said: list[str] = []
    result = evaluate(run, say=said.append, labelled=1)
    assert result["mapping"] == "many to one"
    assert (result["images"], len(result["fold_images"][0])) == (3, 1)
    assert any("the labels have 2 classes (class 0, class 1), the main head 3" in s for s in said)
    assert result["overclustering"]["accuracy"] > 0
    share = sum(29 - 6 - i for i in range(4) if f"{i}" not in result["fold_images"][0]) / 90
    assert result["largest_class"] == {"name": "class 1", "share": pytest.approx(share)}


def test_a_publisher_s_test_part_is_known(tmp_path: Path) -> None:
    mnist_files(tmp_path / "mnist")
    assert load_mnist(tmp_path / "mnist").test == 3
