"""Methods beside each other: what `--methods` says, tiny comparisons, what goes wrong."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from contract_runs import make_data

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.training import processes
from iic_tf.training.processes import shares
from iic_tf.training.studies import compare_run
from iic_tf.training.studies.columns import Column, base_recipe, columns
from iic_tf.training.studies.shown import coloured, sorted_images
from iic_tf.training.tasks.clustering import CLUSTERING
from iic_tf.training.tasks.segmentation import SEGMENTATION, SegmentationTask

TINY = ["--epochs", "1", "--steps", "1", "--batch", "4", "--width", "0.05", "--classes", "2"]
TINY += ["--crop", "16", "--downscale", "1", "--set", "evaluation_steps=1"]
OF_KMEANS = ["--set", "sample=500", "--set", "starts=1", "--set", "crops=8"]


class Here:
    """In place of a process: the same work in this one, and which jobs there were."""

    jobs: ClassVar[list[str]] = []

    def __init__(self, command: list[str], **kwargs: Any):
        self.jobs.append(Path(command[-1]).stem)
        assert compare_run.main(command[-1]) == 0

    def wait(self) -> int:
        return 0


def begin_by(monkeypatch: pytest.MonkeyPatch, process: type[Here]) -> None:
    # Of this module alone: others begin processes, too.
    own = SimpleNamespace(Popen=process, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr(processes, "subprocess", own)


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    Here.jobs = []
    begin_by(monkeypatch, Here)
    monkeypatch.setattr(SegmentationTask, "draw_results", lambda self, run: [])


def compared(folder: Path, out: Path, methods: str, *more: str, masks: bool = True) -> int:
    data = make_data(folder)[SEGMENTATION]
    given = ["compare", "--data", str(data), "--methods", methods, "--out", str(out), *TINY]
    given += ["--masks", str(data.parent / "masks")] if masks else []
    return main([*given, *more])


def test_the_table_of_two_methods_and_one_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = ("kmeans:pixels,iic+radius=2,doersch+gap=30", "--seeds", "1", *OF_KMEANS)
    assert compared(tmp_path, out, *given) == 1
    told = capsys.readouterr().out
    assert "doersch+gap=30, seed 0: failed: Expected" in told
    lines = (out / "table.md").read_text(encoding="utf-8").splitlines()
    assert "best with labels" not in lines[0]
    # What labels chose stands apart, behind the table.
    lines = lines[: lines.index("")]
    cells = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in lines if " | " in line}
    results = {
        name: json.loads((out / "results" / f"{name}-seed0.json").read_text(encoding="utf-8"))
        for name in ("kmeans-pixels", "iic-radius=2")
    }
    for label, name in (("kmeans:pixels", "kmeans-pixels"), ("iic+radius=2", "iic-radius=2")):
        assert results[name]["status"] == "scored", results[name]
        scores = results[name]["scores"]
        evaluated = json.loads(
            (out / "runs" / f"{name}-seed0" / "evaluation.json").read_text(encoding="utf-8")
        )
        assert scores["accuracy"] == evaluated["accuracy"]
        assert cells[label][1:3] == [f"{evaluated['accuracy']:.3f}"] * 2
        over = evaluated["overclustering"]["accuracy"]
        assert cells[label][3] == f"{over:.3f} (10)"
        # The clusters of both are as many: k-means beside them was fitted once.
        best = max(
            evaluated["baselines"][one]["overclustering"]["accuracy"]
            for one in ("kmeans", "kmeans_statistics")
        )
        assert cells[label][4] == f"{best:.3f}"
    assert len(list((out / "baselines").iterdir())) == 1
    assert cells["doersch+gap=30"][1] == "failed"
    largest = results["iic-radius=2"]["scores"]["largest_class"]
    assert cells[f"always {largest['name']}"][2] == f"{largest['share']:.3f}"
    with (out / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["scored", "scored", "failed"]
    assert float(rows[1]["accuracy"]) == results["iic-radius=2"]["scores"]["accuracy"]
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert page.count("<img") == 4 * (2 + 2)
    assert len(page) < 5_000_000
    assert "doersch+gap=30, seed 0" in page
    assert "Command: <code>iic-tf compare " in page
    assert "http" not in page.replace("http-equiv", "")

    # By the same command only what failed is tried again.
    before = (out / "runs" / "iic-radius=2-seed0" / "best.keras").stat().st_mtime_ns
    Here.jobs.clear()
    assert compared(tmp_path, out, *given) == 1
    assert Here.jobs == ["doersch-gap=30-seed0"]
    # A run whose result is gone goes on behind its last epoch, and is not trained anew.
    (out / "results" / "iic-radius=2-seed0.json").unlink()
    two = ("kmeans:pixels,iic+radius=2", *given[1:])
    assert compared(tmp_path, out, *two) == 0
    assert (out / "runs" / "iic-radius=2-seed0" / "best.keras").stat().st_mtime_ns == before
    # Other values are refused.
    assert compared(tmp_path, out, *two, "--epochs", "2") == 2
    assert "Expected the recipe that kmeans:pixels of" in capsys.readouterr().err


def test_without_masks_seeds_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = ("kmeans:statistics", *OF_KMEANS, "--seeds", "2", "--minutes", "1", "--processes", "2")
    assert compared(tmp_path, out, *given, masks=False) == 0
    assert "accuracy" not in capsys.readouterr().out
    found = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    nmi = found["agreement"]["kmeans:statistics"]
    assert len(nmi) == 2
    assert nmi[0] == pytest.approx(nmi[1])
    head, _, row = (out / "table.md").read_text(encoding="utf-8").splitlines()[:3]
    assert head.startswith("| method | agreement of the seeds (NMI): each | mean |")
    assert row.split(" | ")[2] == f"{np.mean(nmi):.3f}"
    assert "best with labels" not in (out / "compare.html").read_text(encoding="utf-8")


def test_a_process_that_is_killed_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Here):
        def __init__(self, command: list[str], **kwargs: Any):
            pass

        def wait(self) -> int:
            return -9

    begin_by(monkeypatch, Killed)
    assert compared(tmp_path, tmp_path / "out", "iic", "--seeds", "1") == 1
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "its process ended by signal 9 (9: often for want of memory)" in table


def test_a_wrong_name_is_told_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(tmp_path, tmp_path / "out", "iic,infosegg") == 2
    told = capsys.readouterr().err
    assert "received infosegg. Did you mean infoseg" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_methods_say() -> None:
    text = "iic,kmeans:sift,isola@isola-cocostuff-3,iic+lamb=1.5+turns=[main,both]"
    found = columns(text, "folder", {"downscale": 3, "overclusters_per_class": 7})
    *names, last = [c.label for c in found]
    assert (",".join(names), last) == (text.split(",iic+")[0], "iic+lamb=1.5+turns=[main,both]")
    recipes: list[Any] = [c.recipe for c in found]
    assert [r.downscale for r in recipes] == [3] * 4
    assert [r.overclusters_per_class for r in recipes] == [7] * 4
    assert recipes[1].features == "sift"
    assert recipes[2].name == "isola-cocostuff-3"
    assert (recipes[3].lamb, recipes[3].turns) == (1.5, ("main", "both"))
    assert found[3].folder == "iic-lamb=1.5-turns=-main-both-"


def recipe(method: str, base: str) -> Any:
    (found,) = columns(method, base, {})
    return found.recipe


def test_recipes_of_methods_by_the_data() -> None:
    assert recipe("infoseg", "aerial-cpu").name == "infoseg-aerial-cpu"
    assert recipe("iic", "aerial-cpu").name == "aerial-cpu"
    isola = recipe("isola", "aerial-cpu")
    # Its own for two cores, at the scale and on the bands of the data's recipe.
    assert (isola.name, isola.hidden) == ("isola-scenes-cpu", 128)
    assert (isola.downscale, isola.inputs) == (4, "bands")
    dac = recipe("dac", "cifar10-cpu")
    assert (dac.name, dac.x.size, dac.inputs) == ("dac-mnist-cpu", 24, "bands+sobel")
    assert recipe("dac", "mnist-cpu").x.size == 24
    hog = recipe("kmeans:hog", "cifar10-cpu")
    assert (hog.trunk, hog.inputs) == ("hog", "bands")
    assert base_recipe("mnist") == "mnist-cpu"
    assert base_recipe("potsdam", 6) == "potsdam-6-cpu"
    assert base_recipe("folder") == "folder"
    assert base_recipe("folder", 3, "aerial-cpu") == "aerial-cpu"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("iic,iic", "each method once"),
        ("scan", "a method for segmentation among"),
        ("iic:pixels", "features behind kmeans alone"),
        ("kmeans:hog", "features among pixels, statistics"),
        ("iic+lambda=2", "a setting among"),
        ("iic@mnist-cpu", "a recipe for segmentation"),
        ("isola+far=1", r"\(method isola\+far=1\)"),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        columns(text, "folder", {})
    with pytest.raises(InputError, match="a value that one of the methods has"):
        columns("isola", "folder", {"lamb": 2})


def test_labels_and_folders() -> None:
    column = Column("kmeans:pixels", recipe("kmeans:pixels", "images"))
    assert column.folder == "kmeans-pixels"
    assert column.recipe.task == CLUSTERING


def test_cores_are_shared() -> None:
    one, two = shares(1), shares(2)
    assert one[0] == set().union(*two)
    assert all(shares(len(one[0]) + 1))


def test_maps_and_sheets_by_hand() -> None:
    colours = np.array([[9, 0, 0], [0, 9, 0]], np.uint8)
    labels = np.array([[0, 1, 255], [2, 0, 1]])
    found = coloured(labels, np.array([1, 0, 1]), colours)
    grey = [128, 128, 128]
    assert found.tolist() == [
        [[0, 9, 0], [9, 0, 0], grey],
        [[0, 9, 0], [0, 9, 0], [9, 0, 0]],
    ]
    ones = [np.full((1, 1, 3), i, np.uint8) for i in range(3)]
    sheet = sorted_images(ones, np.array([1, 0, 1]), 2)
    assert sheet.shape == (6, 6, 3)
    assert sheet[0, [0, 3], 0].tolist() == [1, 255]
    assert sheet[3, [0, 3], 0].tolist() == [0, 2]
