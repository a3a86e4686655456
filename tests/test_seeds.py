"""`iic-tf train --seeds`: runs of several seeds, which one answers, and one model of all."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
from contract_runs import arguments

from iic_tf import IICClusterer, IICSegmenter
from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.models.consensus import ConsensusSegmenter, consensus_of
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.training import consensus, processes, seed_run
from iic_tf.training.agreement import Agreement
from iic_tf.training.answer import answer_of
from iic_tf.training.consensus import orders_of
from iic_tf.training.model_file import load_model
from iic_tf.training.run import Run
from iic_tf.training.seeds import SeedsFound
from iic_tf.training.tasks.segmentation import SegmentationTask

ORDERS = {"main": [[0, 1, 2], [2, 0, 1]], "overclustering": [[1, 0, 3, 2], [3, 1, 2, 0]]}
IMAGES = np.random.default_rng(0).random((2, 12, 10, 3), np.float32)


class Here:
    """In place of a process: the same work in this one; seeds in `killed` end by a signal."""

    killed: ClassVar[set[int]] = set()

    def __init__(self, command: list[str], **kwargs: Any):
        assert command[1:] == ["-m", "iic_tf.training.seed_run"]
        self.stdin = Given()
        self.status = 0

    @cached_property
    def stdout(self) -> io.BytesIO:
        said = io.StringIO()
        if json.loads(self.stdin.text)["seed"] in self.killed:
            self.status = -9
            return io.BytesIO()
        before, sys.stdin = sys.stdin, io.StringIO(self.stdin.text)
        try:
            with contextlib.redirect_stdout(said):
                self.status = seed_run.main()
        finally:
            sys.stdin = before
        return io.BytesIO(said.getvalue().encode())

    def wait(self) -> int:
        return self.status

    def terminate(self) -> None:
        """It is over whenever it is asked for."""


class Given(io.BytesIO):
    """Keeps what was written when it is closed."""

    text = ""

    def close(self) -> None:
        self.text = self.getvalue().decode()
        super().close()


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of a tiny training, whose processes are this one."""
    own = SimpleNamespace(Popen=Here, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr(processes, "subprocess", own)
    monkeypatch.setattr(SegmentationTask, "draw_results", lambda self, run: [])
    monkeypatch.setattr(consensus, "draw_found", lambda *given: [])
    monkeypatch.setattr(Here, "killed", set())
    # Of the fewest graphs: nothing takes steps.
    words = arguments(tmp_path, "kmeans", "segmentation", tmp_path / "out")
    few = ("epochs=1", "features=pixels", "starts=1", "crops=8", "sample=200", "evaluation_steps=1")
    return [*words, *(word for value in few for word in ("--set", value))]


# --- one model of several


def test_orders_are_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(0, 4, 300)
    other = np.where(rng.random(300) < 0.6, np.array([2, 3, 1, 0])[one], rng.integers(0, 4, 300))
    same, order = orders_of([one, other], 0, 4)

    def shared(order: Any) -> int:
        return sum(int(((one == c) & (other == order[c])).sum()) for c in range(4))

    assert same == [0, 1, 2, 3]
    assert shared(order) == max(map(shared, itertools.permutations(range(4))))
    assert order == [2, 3, 1, 0]


def test_the_mean_of_matched_clusters(tmp_path: Path) -> None:
    def made(seed: int) -> IICSegmenter:
        keras.utils.set_random_seed(seed)
        model = IICSegmenter(3, 4, channels=3, width=0.05, sub_heads=2, radius=1)
        # Of untrained heads all clusters are alike.
        for weight in (w for head in model.heads.values() for w in head.trainable_variables):
            weight.assign(30 * weight)
        model.chosen.assign(seed)
        return model

    two = [made(0), made(1)]
    counting = {"overclustering": [1, 0]}
    model = consensus_of(two, ORDERS, counting)
    assert not model.shared
    model.save(tmp_path / "model.keras")
    for one in (model, load_model(tmp_path / "model.keras")):
        for head, numbers in (("main", [0, 1]), ("overclustering", [1, 0])):
            own = [
                np.asarray(m.maps_of_images(IMAGES, head)[n])
                for m, n in zip(two, numbers, strict=True)
            ]
            wanted = np.mean([p[..., o] for p, o in zip(own, ORDERS[head], strict=True)], axis=0)
            assert np.ptp(wanted) > 0.05
            (found,) = one.maps_of_images(IMAGES, head)
            np.testing.assert_allclose(found, wanted, atol=1e-5)


def trunk(seed: int) -> KerasTrunk:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    maps = keras.layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(image)
    found = KerasTrunk(keras.Model(image, maps))
    rng = np.random.default_rng(seed)
    rows = rng.random((50, 5)) * (1 + seed)
    rows[:, 3] = 0  # A feature that never changes.
    found.build((None, None, None, 3))
    found.fit(rows.sum(0), (rows**2).sum(0), len(rows))
    return found


def test_an_equal_frozen_trunk_is_gone_through_once(tmp_path: Path) -> None:
    two = [IICSegmenter(3, 0, channels=3, radius=1, trunk=trunk(seed)) for seed in (0, 1)]
    model = consensus_of(two, {"main": ORDERS["main"]}, {})
    assert model.shared
    assert len(model.weights) < len(two[0].weights) + len(two[1].weights)
    wanted = (np.asarray(two[0](IMAGES)) + np.asarray(two[1](IMAGES))[..., [2, 0, 1]]) / 2
    np.testing.assert_allclose(model(IMAGES), wanted, atol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(load_model(tmp_path / "model.keras")(IMAGES), wanted, atol=1e-5)
    two[1].trunk.network.set_weights([1 + w for w in two[1].trunk.network.get_weights()])
    assert not consensus_of(two, {"main": ORDERS["main"]}, {}).shared


def test_of_whole_images_and_what_does_not_fit() -> None:
    two = [IICClusterer(3, 0, 3, 16, "B", 0.05, sub_heads=1) for _ in range(2)]
    model = consensus_of(two, {"main": ORDERS["main"]}, {})
    x = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    wanted = (np.asarray(two[0](x)) + np.asarray(two[1](x))[..., [2, 0, 1]]) / 2
    np.testing.assert_allclose(model(x), wanted, atol=1e-5)
    with pytest.raises(InputError, match="an order of 3 clusters"):
        consensus_of(two, {"main": [[0, 1, 2], [0, 0, 1]]}, {})
    with pytest.raises(InputError, match="members of one kind, IICClusterer"):
        consensus_of([two[0], IICSegmenter(3, 0, 3, 0.05)], {"main": ORDERS["main"]}, {})
    with pytest.raises(InputError, match="at least 2 members"):
        ConsensusSegmenter([IICSegmenter(3, 0, 3, 0.05)], {"main": [[0, 1, 2]]})


# --- several seeds


def test_which_seed_answers() -> None:
    nmi = np.array([[1, 0.9, 0.1], [0.9, 1, 0.6], [0.1, 0.6, 1]])
    runs = {seed: Run(Path(f"seed{seed}")) for seed in (4, 5, 6)}
    found = SeedsFound(Path(), runs, losses={4: -0.1, 5: -0.2, 6: -0.3})
    found.agreement = Agreement(tuple(runs.values()), (4, 5, 6), nmi, 100, "pixels")
    assert (found.chosen, found.lowest_loss) == (5, 6)
    assert found.lines()[-1].startswith("by the lowest loss: seed6, another one (seed4 -0.1000,")
    # Two agree with each other alike.
    two = SeedsFound(Path(), {s: runs[s] for s in (4, 5)}, losses={4: -0.1, 5: -0.2})
    two.agreement = Agreement((runs[4], runs[5]), (4, 5), nmi[:2, :2], 100, "pixels")
    assert two.chosen == two.lowest_loss == 5


def test_two_seeds_of_which_one_is_killed_and_goes_on(
    train: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "out"
    many = ["--seeds", "2", "--processes", "1", "--consensus", "--seed", "3"]
    monkeypatch.setattr(Here, "killed", {4})
    assert main([*train, *many]) == 1
    said = capsys.readouterr().out
    assert "seed 3: recipe kmeans-segmentation, seed 3" in said
    assert "seed 4: failed: its process ended by signal 9" in said
    assert f"{out}: seed3, the only seed that is done" in said
    assert Run.open(out).folder == out / "seed3"

    monkeypatch.setattr(Here, "killed", set())
    for more, wrong in (
        (["--seeds", "3"], r"received seeds [3, 4, 5] (began with [3, 4])"),
        (["--seeds", "2", "--seed", "3", "--set", "starts=2"], "starts 2 (began with 1)"),
    ):
        words = train if len(more) > 2 else ["train", "--out", str(out)]
        assert main([*words, *more, "--resume"]) == 2
        assert wrong in capsys.readouterr().err
    assert main([*train, "--seeds", "2"]) == 2
    assert "Expected a new or empty folder for runs of several seeds" in capsys.readouterr().err

    assert main(["train", "--resume", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "seed 3: resumed behind epoch 1 of 1" in said
    assert "by the lowest loss: seed" in said
    assert f"{out}: consensus, made of 2 seeds" in said
    kept = json.loads((out / "seeds.json").read_text(encoding="utf-8"))
    assert (kept["done"], kept["answers"], kept["failed"]) == (2, "consensus", {})
    assert kept["chosen"] == kept["lowest_loss"]

    pixels = np.float32(255 * IMAGES[:1])
    both = [answer_of(Run.open(out / f"seed{s}")).served(pixels)["probabilities"] for s in (3, 4)]
    of_all = answer_of(Run.open(out)).served
    orders = of_all.model.orders["main"]
    wanted = np.mean([np.asarray(p)[..., o] for p, o in zip(both, orders, strict=True)], axis=0)
    np.testing.assert_allclose(of_all(pixels)["probabilities"], wanted, atol=1e-5)

    assert main(["export", str(out), "--format", "onnx"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: consensus, made of 2 seeds")
    page = (out / "consensus" / "report.html").read_text(encoding="utf-8")
    assert "Made of 2 trainings" in page
    assert (out / "consensus" / "export" / "model.onnx").is_file()
    assert main(["train", "--resume", "--out", str(out / "consensus")]) == 2
    assert "which was made of several" in capsys.readouterr().err
    assert main(["label", str(out), "--head", "linear", "--fine-tune"]) == 2
    assert "which was made of several" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--seeds", "0"], "Expected at least 1 seed; received --seeds"),
        (["--seeds", "1", "--consensus"], "at least 2 seeds for a consensus"),
        (["--seeds", "2", "--processes", "0"], "Expected at least 1 process"),
        (["--seeds", "2", "--devices", "2"], "Expected no --devices beside --seeds"),
        (["--seeds", "2", "--ray-workers", "2"], "Expected no --ray-workers beside --seeds"),
        (["--processes", "2"], "Expected --seeds N beside --processes; received none"),
    ],
)
def test_mistakes(words: list[str], wrong: str, tmp_path: Path, capsys: Any) -> None:
    given = ["train", "--dataset", "scenes", "--recipe", "scenes-cpu", "--out", str(tmp_path / "o")]
    assert main([*given, *words]) == 2
    assert wrong in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_several_machines_train_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    given = ["train", "--dataset", "scenes", "--recipe", "scenes-cpu", "--out", str(tmp_path / "o")]
    assert main([*given, "--seeds", "2"]) == 2
    assert "Expected --seeds on one machine; received TF_CONFIG" in capsys.readouterr().err
