"""Runs that are stopped, by whatever, and go on as if they had never been."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from iic_tf.cli import main
from iic_tf.models.iic_clusterer import IICClusterer
from iic_tf.training import checkpoints
from iic_tf.training.callbacks import Evaluate
from iic_tf.training.checkpoints import Checkpoints
from iic_tf.training.run import Run
from iic_tf.training.whole_best import require_best

EPOCHS, STEPS = 3, 3


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("resumed") / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(10):
        pixels = np.tile(np.arange(20) // (2 + i % 3) % 2 * 180, (20, 1)) + rng.integers(60)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def given(images: Path, run: Path, *more: str) -> list[str]:
    view = "{crops: [16], size: 12, flip: 0.5}"
    command = ["train", "--dataset", "images", "--data", str(images), "--out", str(run)]
    command += ["--epochs", str(EPOCHS), "--steps", str(STEPS), "--classes", "2", "--batch", "4"]
    command += ["--width", "0.1", "--set", "network=B", "--set", "sub_heads=2", "--set", "side=20"]
    command += ["--set", f"x={view}", "--set", f"gx={view}", "--set", "inputs=bands"]
    # A falling rate and heads in turn: both must know where they are.
    turns = "turns=[overclustering, both]"
    return [*command, "--set", "schedule=cosine", "--set", turns, *more]


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory) -> Path:
    """A run that nothing stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main(given(images, run)) == 0
    return run


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(float(b["seconds"]) > float(a["seconds"]) for a, b in pairwise(rows))
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def events_of(run: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted((run / "events").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.tag != "seconds":
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(value.tag, []).append((event.step, number))
    return found


def assert_same(run: Path, other: Path) -> None:
    """Bit for bit: weights, the optimiser's too, figures, events, the film."""
    assert rows_of(run) == rows_of(other)
    assert events_of(run) == events_of(other)
    names = [f"checkpoints/epoch-{EPOCHS:04d}/model.keras", "best.keras"]
    for name in names:
        ours, theirs = (keras.models.load_model(r / name) for r in (run, other))
        for a, b in zip(
            [*ours.variables, *ours.optimizer.variables],
            [*theirs.variables, *theirs.optimizer.variables],
            strict=True,
        ):
            np.testing.assert_array_equal(a, b, err_msg=f"{name} {a.path}")
    with Image.open(run / "pictures" / "circle.gif") as film:
        assert film.n_frames == EPOCHS + 1
    assert not list(run.rglob(".*"))


KILLED = """
import json, os, signal, sys
from iic_tf.cli import main
from iic_tf.models.iic_clusterer import IICClusterer
from iic_tf.models.soundness import Soundness
from iic_tf.training import checkpoints
count = 0

def dying(of, number):
    def instead(*given, **named):
        global count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return of(*given, **named)
    return instead

# Each in a copy of this process, which has imported all and done nothing yet.
for place, number, words in json.loads(sys.argv[1]):
    child = os.fork()
    if child:
        print("ended by", os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
        continue
    if place == "step":
        Soundness.took = dying(Soundness.took, number)
    elif place == "evaluation":
        IICClusterer.bound = dying(IICClusterer.bound, number)
    else:
        checkpoints._sum_of = dying(checkpoints._sum_of, number)
    os._exit(main(words))
"""
KILLS = [
    ("step", 2, 0),  # before any epoch is done
    ("evaluation", 2 * 2 + 1, 2),  # two heads an epoch
    ("checkpoint", 3 + 2, 1),  # three files each
]


@pytest.fixture(scope="module")
def killed(images: Path, tmp_path_factory) -> dict[str, Path]:
    """A run killed at each of these places."""
    folder = tmp_path_factory.mktemp("killed")
    runs = {place: folder / place for place, _, _ in KILLS}
    cases = [(place, number, given(images, runs[place])) for place, number, _ in KILLS]
    command = [sys.executable, "-c", KILLED, json.dumps(cases)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert ended.stdout.count(f"ended by {int(signal.SIGKILL)}") == len(KILLS), ended.stderr[-3000:]
    return runs


@pytest.mark.parametrize(("place", "number", "epochs"), KILLS)
def test_killed_runs_end_as_if_they_had_never_been(
    whole, killed, capsys, place, number, epochs
) -> None:
    run = killed[place]
    assert len(list((run / "checkpoints").glob("epoch-*"))) == min(epochs, checkpoints.KEPT)
    assert main(["train", "--resume", "--out", str(run)]) == 0
    assert f"resumed behind epoch {epochs} of {EPOCHS}" in capsys.readouterr().out
    assert_same(run, whole)


def stop_at(monkeypatch, number: int, how) -> None:
    """Do `how` when the main and the overclustering head were evaluated `number` times."""
    evaluated, count = Evaluate.on_epoch_end, 0

    def instead(self, epoch, logs=None):
        nonlocal count
        count += 1
        if count == number:
            how()
        evaluated(self, epoch, logs)

    monkeypatch.setattr(Evaluate, "on_epoch_end", instead)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("how", "status", "more"),
    [
        # That begins a run where there is none.
        (interrupt, 130, ["--resume"]),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 143, []),
    ],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_stopped_politely(images, whole, tmp_path, capsys, monkeypatch, how, status, more) -> None:
    run = tmp_path / "run"
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        stop_at(patch, 2, how)
        assert main(given(images, run, *more)) == status
    assert signal.getsignal(signal.SIGTERM) is before
    shown = capsys.readouterr()
    assert f"stopped in epoch 2 of {EPOCHS}" in shown.out
    assert f"iic-tf train --resume --out {run}" in shown.out
    assert "Traceback" not in shown.err
    # As a batch system does: the same command again.
    assert main(given(images, run, "--resume")) == 0
    assert_same(run, whole)


@pytest.mark.parametrize("name", ["model.keras", "state.json", "arrays.npz", "sums.json"])
def test_a_damaged_checkpoint_is_passed_over(images, whole, tmp_path, capsys, name) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    newest = run / "checkpoints" / f"epoch-{EPOCHS:04d}"
    file = newest / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    if name != "model.keras":
        # That it is met is enough; the whole way is gone with the model.
        found = Checkpoints(run / "checkpoints").newest(print)
        assert found is not None
        assert found.epoch == EPOCHS - 1
        return
    assert main(["train", "--resume", "--out", str(run)]) == 0
    shown = capsys.readouterr().out
    assert f"{newest} is damaged (model.keras is not what was written)" in shown
    assert f"resumed behind epoch {EPOCHS - 1} of {EPOCHS}" in shown
    assert_same(run, whole)


def best_epoch(rows: list[dict[str, str]]) -> int:
    return int([row["epoch"] for row in rows if row["best"] == "1"][-1])


@pytest.mark.parametrize("damage", ["flipped", "gone", "cut"])
def test_a_damaged_best_model_is_had_from_the_checkpoint_of_its_epoch(
    whole, tmp_path, damage
) -> None:
    run = Run(tmp_path / "run")
    shutil.copytree(whole, run.folder)
    newest = Checkpoints(run.checkpoints).newest(print)
    assert newest is not None
    best = EPOCHS - 1
    rows = [{**row, "best": int(row["epoch"] <= best)} for row in newest.rows]
    checkpoint = replace(newest, rows=rows)
    stored = bytearray(run.best.read_bytes())
    stored[len(stored) // 2] ^= 0xFF
    run.best.write_bytes(stored[: len(stored) // 2] if damage == "cut" else stored)
    if damage == "gone":
        run.best.unlink()
    said: list[str] = []
    require_best(run, checkpoint, said.append)
    held = run.checkpoints / f"epoch-{best:04d}" / "model.keras"
    assert run.best.read_bytes() == held.read_bytes()
    assert [f"again that of epoch {best}" in line for line in said] == [True]
    require_best(run, checkpoint, said.append)
    assert len(said) == 1


def test_a_damaged_best_model_of_no_checkpoint_is_told_at_once(whole, tmp_path, capsys) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    best = best_epoch(rows_of(whole))
    other = next(e for e in range(EPOCHS, 0, -1) if e != best)
    for epoch in range(1, EPOCHS + 1):
        if epoch != other:
            shutil.rmtree(run / "checkpoints" / f"epoch-{epoch:04d}", ignore_errors=True)
    if other < best:
        pytest.skip("the epoch of the best model comes again in any case")
    (run / "best.keras").write_bytes(b"half")
    before = {f: f.stat().st_mtime_ns for f in run.rglob("*") if f.is_file()}
    assert main(["train", "--resume", "--out", str(run)]) == 2
    said = capsys.readouterr().err
    assert f"It is of epoch {best}, whose checkpoint is gone" in said
    assert {f: f.stat().st_mtime_ns for f in run.rglob("*") if f.is_file()} == before


def test_a_finished_run_is_left_as_it_is(whole, tmp_path, capsys) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    assert main(["train", "--resume", "--out", str(run)]) == 0
    assert f"resumed behind epoch {EPOCHS} of {EPOCHS}" in capsys.readouterr().out
    assert_same(run, whole)


def test_another_card_is_no_other_value(images, whole, tmp_path) -> None:
    """As when a version tells of a recipe in other words."""
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["about"] = "told\nin other words"
    (run / "config.json").write_text(json.dumps(config))
    assert main(given(images, run, "--resume")) == 0


def test_other_values_are_refused(images, whole, tmp_path, capsys) -> None:
    assert main(given(images, whole, "--resume", "--rate", "0.5", "--seed", "7")) == 2
    said = capsys.readouterr().err
    assert "rate 0.5 (began with 0.0005)" in said
    assert "seed 7 (began with 0)" in said
    assert main(["train", "--resume", "--out", str(tmp_path / "none")]) == 2
    assert "the folder of a run" in capsys.readouterr().err


def moved(images: Path, whole: Path, place: Path) -> Path:
    """A copy of the data, and in it a copy of the run, stopped before its last epoch."""
    shutil.copytree(images, place)
    run = place / "runs" / "a"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / f"epoch-{EPOCHS:04d}")
    config = json.loads((run / "config.json").read_text())
    config["source"]["data"] = str(place)
    (run / "config.json").write_text(json.dumps(config))
    return run


def test_a_run_inside_the_folder_of_its_data(images, whole, tmp_path, capsys) -> None:
    run = moved(images, whole, tmp_path / "data")
    assert (run / "pictures" / "losses.png").is_file()
    os.utime(tmp_path / "data" / "3.png", (0, 0))
    assert main(["train", "--resume", "--out", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "10 images of 20×20" in shown
    assert "note: the data are not quite those that the run began with: 1 image is newer" in shown
    assert_same(run, whole)


def test_other_data_are_refused(images, whole, tmp_path, capsys) -> None:
    place = tmp_path / "data"
    run = moved(images, whole, place)
    shutil.copy(place / "0.png", place / "new.png")
    (place / "1.png").unlink()
    (place / "2.png").write_bytes((place / "3.png").read_bytes())
    assert main(["train", "--resume", "--out", str(run)]) == 2
    said = capsys.readouterr().err
    assert "1 image is new: new.png; 1 image is gone: 1.png; 1 image is changed: 2.png" in said
    # Runs of before this was kept know how many images there were.
    (place / "1.png").write_bytes((images / "1.png").read_bytes())
    config = json.loads((run / "config.json").read_text())
    del config["data"]
    (run / "config.json").write_text(json.dumps(config))
    assert main(["train", "--resume", "--out", str(run)]) == 2
    assert "11 images in place of 10" in capsys.readouterr().err
    (place / "new.png").unlink()
    assert main(["train", "--resume", "--out", str(run)]) == 0


def test_a_value_that_recipes_have_since_or_no_longer_have_stops_no_resuming(
    whole, tmp_path, capsys
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / f"epoch-{EPOCHS:04d}")
    config = json.loads((run / "config.json").read_text())
    del config["recipe"]["evaluation_steps"], config["recipe"]["task"]
    config["recipe"] |= {"method": "iic-clustering", "given_up": 3}
    config["source"] |= {"bands": "RGB"}
    (run / "config.json").write_text(json.dumps(config))
    assert main(["train", "--resume", "--out", str(run)]) == 0
    assert_same(run, whole)


def test_a_checkpoint_of_before_heads_had_optimisers_says_what_resumes_it(
    whole, tmp_path, capsys
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    for folder in (run / "checkpoints").glob("epoch-*"):
        state = json.loads((folder / "state.json").read_text())
        del state["form"]
        (folder / "state.json").write_text(json.dumps(state))
        sums = json.loads((folder / "sums.json").read_text())
        sums["state.json"] = hashlib.sha256((folder / "state.json").read_bytes()).hexdigest()
        (folder / "sums.json").write_text(json.dumps(sums))
    before = sorted(run.rglob("*"))
    capsys.readouterr()
    assert main(["train", "--resume", "--out", str(run)]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("iic-tf")]
    assert "which commit 63b3f16 resumes" in line
    assert sorted(run.rglob("*")) == before


def test_a_full_disk_leaves_the_earlier_checkpoint(
    images, whole, tmp_path, capsys, monkeypatch
) -> None:
    run = tmp_path / "run"
    saved = IICClusterer.save
    places = []

    def save(self, path, **how):
        places.append(path)
        if path.name == "model.keras" and sum(p.name == path.name for p in places) > 1:
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved(self, path, **how)

    with monkeypatch.context() as patch:
        patch.setattr(IICClusterer, "save", save)
        assert main(given(images, run)) == 2
    said = capsys.readouterr().err
    assert "No space left" in said
    assert "--resume" in said
    assert [f.name for f in (run / "checkpoints").iterdir()] == ["epoch-0001"]
    assert main(["train", "--resume", "--out", str(run)]) == 0
    assert_same(run, whole)


def test_the_last_good_checkpoint_is_named_with_a_loss_that_is_not_finite(
    images, tmp_path, capsys, monkeypatch
) -> None:
    run = tmp_path / "run"
    loss_of = IICClusterer.loss_of

    def broken(self, sums, name):
        return loss_of(self, sums, name) * (float("nan") if name == "main" else 1.0)

    monkeypatch.setattr(IICClusterer, "loss_of", broken)
    assert main(given(images, run)) == 2
    said = capsys.readouterr().err
    assert "received NaN or infinity in the loss and the gradients at epoch 2, step 1" in said
    assert f"last good checkpoint is {run / 'checkpoints' / 'epoch-0001'}" in said
    assert ".png" in said


def test_only_the_last_two_are_kept(whole) -> None:
    names = sorted(f.name for f in (whole / "checkpoints").iterdir())
    assert names == [f"epoch-{EPOCHS - 1:04d}", f"epoch-{EPOCHS:04d}"]
    assert Run.open(whole).load_best().classes == 2
