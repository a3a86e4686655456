"""The contract of all methods: whatever is registered does all that runs do, on its data."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import annotated_types
import contract_runs
import keras
import numpy as np
import pytest
from contract_runs import EVERY, arguments, recipe_file

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.training import from_run
from iic_tf.training.answer import answer_of
from iic_tf.training.checkpoints import Checkpoints
from iic_tf.training.methods.registry import methods, recipe_class
from iic_tf.training.recipe import LAST
from iic_tf.training.recipe_files import load_recipe, run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.clustering import CLUSTERING
from iic_tf.training.tasks.registry import TASKS
from iic_tf.training.tasks.segmentation import SEGMENTATION

every = pytest.mark.parametrize(("name", "task"), EVERY, ids=[f"{m} {t}" for m, t in EVERY])


def one_of_each_answer() -> list[tuple[str, str]]:
    """Of the methods whose models answer by the same code one: what is served of them is alike."""
    found: dict[Any, tuple[str, str]] = {}
    for name, task in EVERY:
        model = recipe_class(name, task).model_class
        how = tuple(getattr(model, own, None) for own in ("small_maps", "answers", "call"))
        found.setdefault(how, (name, task))
    return list(found.values())


each_answer = pytest.mark.parametrize(
    ("name", "task"), one_of_each_answer(), ids=[f"{m} {t}" for m, t in one_of_each_answer()]
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: Any) -> Path:
    return Path(tmp_path_factory.mktemp("contract"))


@pytest.fixture(scope="module")
def runs(place: Path) -> Any:
    """A run of each, made when it is first asked for."""
    made: dict[tuple[str, str], Run] = {}

    def of(name: str, task: str) -> Run:
        if (name, task) not in made:
            out = place / f"{name}-{task}"
            assert main(arguments(place, name, task, out)) == 0
            made[name, task] = Run.open(out)
        return made[name, task]

    return of


def rows(run: Run) -> list[dict[str, str]]:
    with run.metrics_file.open(encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@every
def test_it_is_listed_with_tasks_and_paper(name: str, task: str, capsys: Any) -> None:
    assert main(["methods"]) == 0
    shown = capsys.readouterr().out
    method = methods()[name]
    assert len(method.about.splitlines()) == 1
    for word in (name, task, method.about, method.paper):
        assert word in shown


@every
def test_it_learns(name: str, task: str, runs: Any) -> None:
    """The losses are finite and not below their bounds, shares add up, weights have moved."""
    run = runs(name, task)
    recipe = run_recipe(run)
    assert (recipe.method, recipe.task) == (name, task)
    fresh = TASKS[task](recipe, run.config()["source"]).model(run.config()["seed"])
    newest = Checkpoints(run.checkpoints).newest(print)
    assert newest is not None
    trained = keras.models.load_model(newest.model)
    assert bool(trained.parts()) == recipe.trains
    if not recipe.trains:
        # The trunk is as it began, and what is fitted is not.
        for new, old in zip(trained.trunk.get_weights(), fresh.trunk.get_weights(), strict=True):
            np.testing.assert_array_equal(new, old)
        assert any(map(np.any, trained.heads["main"].get_weights()))
    for part, variables in trained.parts().items():
        moved = [
            float(np.abs(new - old).max())
            for new, old in zip(variables, fresh.parts()[part], strict=True)
        ]
        assert max(moved) > 0, part
    for row in rows(run):
        assert np.isfinite(float(row["training_loss"]))
        names = [key.removesuffix("_bound") for key in row if key.endswith("_bound")]
        assert names[0] == "main"
        for monitor in names:
            loss, bound = (float(row[f"{monitor}_{what}"]) for what in ("loss", "bound"))
            assert np.isfinite(loss)
            assert loss >= bound - 1e-6
            shares = [float(v) for k, v in row.items() if k.startswith(f"{monitor}_share_")]
            assert len(shares) == recipe.clusters[monitor]
            assert sum(shares) == pytest.approx(1, abs=1e-4)
    best = [int(row["best"]) for row in rows(run)]
    assert best == [1, 1, 1] if recipe.keep == LAST else best[0] == 1


@every
def test_what_is_saved_answers_as_before(name: str, task: str, runs: Any, tmp_path: Path) -> None:
    model = runs(name, task).load_best()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    side = getattr(model, "size", 20)
    x = np.random.default_rng(0).random((2, side, side, model.channels)).astype(np.float32)
    answers = "maps" if task == SEGMENTATION else "probabilities"
    for head, k in model.clusters.items():
        mine, theirs = (np.stack(getattr(m, answers)(x, head)) for m in (model, again))
        np.testing.assert_array_equal(mine, theirs)
        assert mine.shape[-1] == k
        np.testing.assert_allclose(mine.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(model(x), again(x))


@every
def test_a_resumed_run_ends_as_if_never_stopped(
    name: str, task: str, runs: Any, tmp_path: Path
) -> None:
    whole = runs(name, task)
    stopped = Run(tmp_path / "run")
    shutil.copytree(whole.folder, stopped.folder)
    shutil.rmtree(stopped.checkpoints / "epoch-0003")
    assert main(["train", "--resume", "--out", str(stopped.folder)]) == 0
    assert rows(stopped) == rows(whole)
    newest = (Checkpoints(run.checkpoints).newest(print) for run in (whole, stopped))
    a, b = (keras.models.load_model(one.model) for one in newest if one is not None)
    for mine, theirs in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@every
def test_it_is_scored_beside_baselines(name: str, task: str, runs: Any, capsys: Any) -> None:
    run = runs(name, task)
    assert main(["evaluate", str(run.folder)]) == 0
    shown = capsys.readouterr().out
    for word in ("trained, one to one", "k-means on pixels"):
        assert word in shown
    assert ("untrained network" in shown) == run_recipe(run).trains
    result = json.loads(run.evaluation_file.read_text(encoding="utf-8"))
    kept = [row for row in rows(run) if row["best"] == "1"][-1]
    losses = [float(v) for k, v in kept.items() if k.startswith("main_loss_")]
    assert result["sub_heads"]["losses"] == losses
    by = "the last epoch" if run_recipe(run).keep == LAST else "lowest unsupervised loss"
    assert result["chosen_by"].startswith(by)
    capsys.readouterr()
    if task != SEGMENTATION:
        assert main(["evaluate", str(run.folder), "--masks", "x"]) == 2
        assert "Expected --masks only with data set folder" in capsys.readouterr().err


@each_answer
def test_it_predicts(name: str, task: str, runs: Any, tmp_path: Path) -> None:
    run = runs(name, task)
    data = run.config()["source"]["data"]
    assert main(["predict", str(run.folder), data, "--out", str(tmp_path / "found")]) == 0
    assert (tmp_path / "found" / "sheet.png").is_file()
    if len(run_recipe(run).clusters) > 1:
        more = [*("--out", str(tmp_path / "more")), "--overclusters"]
        assert main(["predict", str(run.folder), data, *more]) == 0


@pytest.mark.parametrize(
    ("name", "task", "form"),
    [
        *((*one, "onnx") for one in one_of_each_answer()),
        # The same graph, which the tests of exports look at more closely.
        *((*one, "savedmodel") for one in one_of_each_answer() if one[0] == "dac"),
    ],
)
def test_exports_compute_what_keras_does(
    name: str, task: str, form: str, runs: Any, capsys: Any
) -> None:
    assert main(["export", str(runs(name, task).folder), "--format", form, "--overwrite"]) == 0
    difference = capsys.readouterr().out.partition("largest difference from the Keras model: ")[2]
    assert float(difference.split()[0]) < 1e-4


@pytest.fixture(scope="module")
def classified() -> set[Any]:
    """The ways of making features on which a classifier was fitted."""
    return set()


@each_answer
def test_its_clusters_are_named(
    name: str, task: str, runs: Any, tmp_path: Path, capsys: Any, classified: set[Any]
) -> None:
    """By labels, many to one and by a classifier; scored, predicted and exported by their names."""
    run = Run(tmp_path / "run")
    shutil.copytree(runs(name, task).folder, run.folder)
    assert main(["label", str(run.folder), "--suggest", "3"]) == 0
    model, recipe = run.load_best(), run_recipe(run)
    clusters = max(recipe.clusters.values())
    assert answer_of(run, classes=clusters).served.model.classes == clusters
    named = from_run(run.folder)
    assert len(named.names) == 2
    side = 24 if task != SEGMENTATION else 20
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, model.channels))
    found = np.asarray(named.served(pixels.astype(np.float32))["probabilities"])
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    # A classifier sees features alone: once for each way of making these.
    way = type(model).features
    if way in classified:
        return
    classified.add(way)
    capsys.readouterr()
    assert main(["label", str(run.folder), "--head", "linear"]) == 0
    assert main(["evaluate", str(run.folder)]) == 0
    assert "named classes (linear)" in capsys.readouterr().out
    assert main(["export", str(run.folder), "--format", "onnx", "--overwrite"]) == 0


OF_THE_WHOLE = ("prototypes",)
"""Methods whose sums follow from the global batch: replicas ask one another for it."""


@every
def test_sums_of_a_batch_are_those_of_its_parts(name: str, task: str, runs: Any) -> None:
    """By which replicas are one device: what each finds of its share is added up."""
    kind = recipe_class(name, task)
    if not kind.trains or kind.replicas_differ or name in OF_THE_WHOLE:
        # What a run says of it is the same code for all.
        assert not kind.replicas_differ or len(kind.replicas_differ.split()) > 4
        return
    run, last = runs(name, task), 2
    newest = Checkpoints(run.checkpoints).newest(print)
    assert newest is not None
    model = keras.models.load_model(newest.model)
    own = TASKS[task](run_recipe(run), run.config()["source"])
    pairs = own.pairs(run.config()["seed"])
    model.before_epoch(pairs, last)
    pairs.epoch = last
    batch = pairs[0]
    phase = model.phase_of(last)
    names = (*model.monitors_in(phase), *model.further_in(phase))
    assert names
    # As unequal as a last batch is dealt out.
    parts = [{k: v[cut] for k, v in batch.items()} for cut in (slice(0, 3), slice(3, None))]
    whole, *found = (model.sums(one, names, training=False) for one in (batch, *parts))
    for one in names:
        added = np.sum([np.asarray(sums[one]) for sums in found], 0)
        np.testing.assert_allclose(added, whole[one], rtol=1e-4, atol=1e-5, err_msg=one)
        assert np.abs(whole[one]).max() > 1e-3
        # A mean over images would be the same for each part as for all.
        assert not np.allclose(found[0][one], whole[one], rtol=1e-2, atol=0)


ON_REPLICAS = (
    # What asks other replicas within a step, and what is fitted beside the steps. The steps of IIC
    # are in test_replicas.py and test_strategy.py, and all take them by the same code.
    *((name, task) for name, task in EVERY if name in OF_THE_WHOLE),
    ("deepcluster", SEGMENTATION),
    ("exemplar", CLUSTERING),
    # And what says that it differs.
    ("adc", CLUSTERING),
)
on_replicas = pytest.mark.parametrize(
    ("name", "task"), ON_REPLICAS, ids=[f"{m} {t}" for m, t in ON_REPLICAS]
)


@pytest.fixture(scope="module")
def replica_runs(place: Path, request: pytest.FixtureRequest) -> Any:
    """A run of each on two replicas, made by one process when the first is asked for."""
    ended: list[Any] = []
    test = "test_two_replicas_are_one_or_the_method_says_why_not"
    wanted = [
        f"{one.callspec.params['name']}-{one.callspec.params['task']}"
        for one in request.session.items
        if getattr(one, "originalname", "") == test
    ]

    def of(name: str, task: str) -> Run:
        if not ended:
            command = [sys.executable, contract_runs.__file__, str(place), *wanted]
            most = 300 * len(wanted)
            ended.append(subprocess.run(command, capture_output=True, text=True, timeout=most))
        run = Run(place / f"{name}-{task}-replicas")
        assert run.best.exists(), ended[0].stderr[-3000:]
        return run

    return of


@on_replicas
def test_two_replicas_are_one_or_the_method_says_why_not(
    name: str, task: str, runs: Any, replica_runs: Any
) -> None:
    alone, both = rows(runs(name, task)), rows(replica_runs(name, task))
    assert all(np.isfinite(float(row["training_loss"])) for row in both)
    why_not = recipe_class(name, task).replicas_differ
    if why_not:
        assert len(both) == 2
        log = replica_runs(name, task).log_file.read_text(encoding="utf-8")
        assert f"not equal to one device: {why_not}" in log
        return
    # Losses of every replica's own would be 4e-2 and more off. Later on rounding grows.
    for epoch, (one, two) in enumerate(zip(alone, both, strict=True)):
        for key in (key for key in one if key.endswith("_loss")):
            if epoch == 0 or key == "training_loss":
                near = 2e-3 if epoch == 0 else 1e-2
                assert float(two[key]) == pytest.approx(float(one[key]), abs=near), key


@every
def test_wrong_values_are_refused(name: str, task: str, tmp_path: Path, capsys: Any) -> None:
    kind = recipe_class(name, task)
    fine = load_recipe(str(recipe_file(tmp_path, name, task)))
    with pytest.raises(InputError, match=r"a setting among .*received setting='nonsense'"):
        fine.replaced(nonsense=1)
    tried = 0
    for field, info in kind.model_fields.items():
        for bound in info.metadata:
            below = None
            if isinstance(bound, annotated_types.Ge):
                below = bound.ge - 1  # type: ignore[operator]
            elif isinstance(bound, annotated_types.Gt):
                below = bound.gt
            if below is None:
                continue
            tried += 1
            with pytest.raises(InputError, match=rf"{field} >=? .*received {field}="):
                fine.replaced(**{field: below})
        with pytest.raises(InputError, match="Expected "):
            fine.replaced(**{field: object()})
    assert tried > 8
    given = [*arguments(tmp_path, name, task, tmp_path / "run"), "--set", "batch=none"]
    assert main(given) == 2
    assert "int for 'batch'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
