"""The command line: whole runs on tiny images, and one clear message for each wrong input."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from image_files import pixels, save
from PIL import Image

from iic_tf.cli import main
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.training import probe
from iic_tf.training.run import Run

QUICK = ["--crop", "32", "--downscale", "1", "--width", "0.05", "--epochs", "2", "--steps", "2"]
QUICK += ["--batch", "4", "--set", "radius=1", "--set", "evaluation_steps=1"]
QUICK += ["--set", "sub_heads=2", "--set", "turns=[both]"]
CLASSES = "classes:\n  dark: {values: [0]}\n  light: {values: [1]}\nignore: {values: [255]}\n"


def make_photos(place: Path) -> Path:
    """Eight small colour images with masks in a parallel folder."""
    folder, rng = place / "photos", np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for i in range(8):
        mask = (np.arange(56)[None, :] > 20 + i).repeat(48, axis=0)
        image = mask[..., None] * 90 + rng.integers(0, 90, (48, 56, 3))
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"{i}.png")
        Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / f"{i}.png")
    (folder / "classes.yaml").write_text(CLASSES)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images that a test may change."""
    return make_photos(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str]:
    """A run, only looked at, beside `photos`, and what was said of it."""
    place = tmp_path_factory.mktemp("trained")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(arguments(make_photos(place), place / "run")) == 0
    return place / "run", said.getvalue()


def arguments(photos: Path, out: Path, *more: str) -> list[str]:
    given = ["train", "--data", str(photos / "images"), "--masks", str(photos / "masks")]
    given += ["--class-file", str(photos / "classes.yaml"), "--classes", "2", "--out", str(out)]
    return [*given, *QUICK, *more]


def refused(capsys, given: list[str], *said: str) -> None:
    """The command ends with status 2 and a message of one line that holds these words."""
    capsys.readouterr()
    assert main(given) == 2
    out = capsys.readouterr()
    lines = [line for line in out.err.splitlines() if line.startswith("iic-tf: ")]
    assert len(lines) == 1, out.err
    assert "Traceback" not in out.err
    for word in said:
        assert word in lines[0]


def test_train_evaluate_predict_export(trained, tmp_path: Path, capsys, monkeypatch) -> None:
    whole, shown = trained
    run, photos = tmp_path / "run", whole.parent / "photos"
    shutil.copytree(whole, run)
    assert "epoch   2/2" in shown
    assert "of −0.69" in shown  # the bound −ln 2 beside the loss
    for name in (
        "config.json",
        "metrics.csv",
        "log.txt",
        "best.keras",
        "checkpoints/epoch-0002",
    ):
        assert (run / name).exists(), name
    assert list((run / "events").iterdir())
    assert (run / "pictures" / "losses.png").is_file()
    assert not [f for f in run.rglob(".*") if f.is_file()]  # no temporary file is left

    monkeypatch.setattr(probe, "PIXELS", 800)
    assert main(["evaluate", str(run), "--probe"]) == 0
    found = json.loads((run / "evaluation.json").read_text())
    rows = (found, found["overclustering"])
    rows += tuple(found["baselines"][name] for name in ("kmeans", "untrained"))
    for row in rows:
        assert {"accuracy", "mean_iou", "nmi", "ari"} <= set(row)
    assert found["baselines"]["kmeans"]["accuracy"] > 0.95  # brightness alone tells these apart
    shown = capsys.readouterr().out
    assert "k-means on pixels" in shown
    # What the figures mean, and what labels make of colours.
    assert found["verdict"][0] in shown
    assert "the best of 2 baselines by k-means" in found["verdict"][0]
    assert found["probe"]["linear"]["colours"]["all"] > 0.95
    assert found["probe"]["clusters"]["colours"]["5"] > 0.95
    assert set(found["probe"]["clusters"]) == {"features", "colours", "statistics"}
    assert "hand-made statistics" in shown

    seen = tmp_path / "seen"
    assert main(["predict", str(run), str(photos / "images"), "--out", str(seen)]) == 0
    with Image.open(seen / "3_labels.png") as labels:
        assert labels.size == (56, 48)
    assert (seen / "sheet.png").is_file()
    for form in ("savedmodel", "onnx"):
        assert main(["export", str(run), "--format", form]) == 0
    assert (run / "export" / "savedmodel" / "1" / "saved_model.pb").is_file()
    assert (run / "export" / "model.onnx").is_file()


def test_same_seed_same_run(photos: Path, trained: tuple[Path, str], tmp_path: Path) -> None:
    assert main(arguments(photos, tmp_path / "run")) == 0

    def figures(run: Path) -> list[list[str]]:
        rows = (run / "metrics.csv").read_text().splitlines()
        return [[cell for i, cell in enumerate(row.split(",")) if i != 3] for row in rows]

    assert figures(trained[0])[0][2] == "training_loss"
    assert figures(trained[0]) == figures(tmp_path / "run")


def test_lists(capsys) -> None:
    assert main(["recipes"]) == 0
    assert "potsdam-3" in capsys.readouterr().out
    assert main(["recipes", "potsdam-3"]) == 0
    assert "radius: 10" in capsys.readouterr().out
    assert main(["datasets"]) == 0
    assert "folder" in capsys.readouterr().out
    assert main([]) == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--classes", "1"], ("classes >= 2", "received --classes 1")),
        (["--recipe", "nonsense"], ("a recipe file", "nonsense")),
        (["--dataset", "nowhere"], ("folder, potsdam, scenes", "nowhere")),
        (["--data", "no/such/folder"], ("no/such/folder",)),
        (["--set", "lamb"], ("NAME=VALUE",)),
        (["--set", "lamb=high"], ("float for 'lamb'",)),
        (["--set", "radius=40"], ("crop larger than the radius",)),
        (["--seed", "-1"], ("seed >= 0",)),
        (["--batch", "0"], ("batch >= 1",)),
        (["--rate", "inf"], ("rate > 0 and finite", "received --rate inf")),
        (["--epochs", "9" * 20], ("epochs >= 1 and at most 2147483647",)),
        (["--seed", "9" * 20], ("seed >= 0 and below",)),
        (["--steps", "2000000000"], ("at most 2147483647 images or crops in all",)),
        (["--set", "rate=1" + "0" * 400], ("rate > 0 and finite",)),
        (["--set", "rate=true"], ("for 'rate'; received rate=True",)),
        (["--set", "geometry={rotation: inf}"], ("degrees from 0 to 360",)),
        (["--set", "geometry={scale: [1]}"], ("geometry",)),
        (["--set", "photometry={hue: nan}"], ("a hue jitter from 0 to 0.5",)),
        (["--set", "geometry=" + "[" * 3000], ("a value after geometry=", "(3002 characters)")),
        (["--set", "geometry=2001-13-01"], ("a value after geometry=",)),
        (["--set", "sub_heads=100000"], ("sub_heads", "256")),
        (["--class-file", "a\0b"], ("without a zero byte", "a\\x00b")),
        (["--class-file", "~no-such-user/x"], ("a path; received path=",)),
        (["--crop", "\n"], ("a whole number after --crop",)),
        (["--recipe", "y/" * 3000 + ".yaml"], ()),
    ],
)
def test_wrong_settings_leave_nothing(photos, tmp_path, capsys, more, said) -> None:
    refused(capsys, arguments(photos, tmp_path / "run", *more), *said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "stored", [b"\xff\xfe\0", b"classes: " + b"[" * 3000, b"classes: 2001-13-01", b"\0"]
)
def test_files_of_yaml_that_are_none(photos, tmp_path, capsys, stored: bytes) -> None:
    (photos / "classes.yaml").write_bytes(stored)
    refused(capsys, arguments(photos, tmp_path / "run"), "classes.yaml")
    (photos / "mine.yaml").write_bytes(stored)
    refused(capsys, arguments(photos, tmp_path / "run", "--recipe", str(photos / "mine.yaml")))
    assert not (tmp_path / "run").exists()


def test_a_run_folder_whose_name_is_no_text(photos, tmp_path, capsys) -> None:
    refused(capsys, arguments(photos, tmp_path / "\udcff"), "a path that is text in UTF-8")
    assert len(list(tmp_path.iterdir())) == 1


def test_corrupt_image_is_named(photos: Path, tmp_path: Path, capsys) -> None:
    (photos / "images" / "5.png").write_bytes(b"not an image")
    refused(capsys, arguments(photos, tmp_path / "run"), "5.png")
    assert not (tmp_path / "run").exists()


def test_truncated_image_is_named(photos, tmp_path, capsys) -> None:
    whole = (photos / "images" / "5.png").read_bytes()
    (photos / "images" / "5.png").write_bytes(whole[: len(whole) // 2])
    refused(capsys, arguments(photos, tmp_path / "run", "--steps", "6"), "5.png")
    assert not (tmp_path / "run").exists()


def test_truncated_image_met_late_stops_the_run_with_its_name(
    photos, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("iic_tf.training.tasks.segmentation.dim_note", lambda scenes: [])
    whole = (photos / "images" / "5.png").read_bytes()
    (photos / "images" / "5.png").write_bytes(whole[: len(whole) // 2])
    refused(capsys, arguments(photos, tmp_path / "run", "--steps", "6"), "5.png")
    assert not (tmp_path / "run" / "best.keras").exists()


def test_dim_images_are_noted(photos, tmp_path, capsys) -> None:
    for file in (photos / "images").iterdir():
        pixels = np.random.default_rng(0).integers(0, 4096, (48, 56, 3)).astype(np.uint16)
        tifffile.imwrite(file.with_suffix(".tif"), pixels, photometric="rgb")
        file.unlink()
    run = tmp_path / "run"
    assert main(arguments(photos, run, "--epochs", "1")) == 0
    for text in (capsys.readouterr().out, (run / "log.txt").read_text(encoding="utf-8")):
        assert "note: 99 % of the values lie in the lowest 6.2 % of their range" in text


def test_non_finite_loss_names_step_and_images(photos, tmp_path, capsys, monkeypatch) -> None:
    loss_of = IICSegmenter.loss_of
    monkeypatch.setattr(
        IICSegmenter, "loss_of", lambda self, j, head: loss_of(self, j, head) * float("nan")
    )
    where = "received NaN or infinity in the loss and the gradients at epoch 1, step 1. "
    said = ("finite images, loss and gradients", where, "Images of this batch: ")
    refused(capsys, arguments(photos, tmp_path / "run"), *said)
    assert not (tmp_path / "run" / "best.keras").exists()


def test_a_rate_that_explodes_is_met_at_the_latest_when_evaluated(photos, tmp_path, capsys) -> None:
    given = arguments(photos, tmp_path / "run", "--rate", "1e30", "--steps", "6")
    refused(capsys, given, "finite", "epoch 1", "lower --rate")
    assert not (tmp_path / "run" / "best.keras").exists()


def test_a_disk_that_is_full_when_events_are_written(photos, tmp_path, capsys, monkeypatch) -> None:
    def full(*_, **__):
        said = "{{function_node __wrapped__WriteSummary}} events.v2; File too large\n\tFailed"
        raise tf.errors.OutOfRangeError(None, None, said)

    monkeypatch.setattr(tf.summary, "scalar", full)
    given = arguments(photos, tmp_path / "run")
    refused(capsys, given, "received events.v2; File too large. The best", "Once there is room")


def test_full_disk_keeps_the_earlier_model(photos, tmp_path, capsys, monkeypatch) -> None:
    saved = IICSegmenter.save
    calls = []

    def save(self, path, **how):
        calls.append(path)
        if len(calls) > 2:  # the first epoch saves the newest and the best model
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved(self, path, **how)

    monkeypatch.setattr(IICSegmenter, "save", save)
    run = tmp_path / "run"
    refused(capsys, arguments(photos, run), "No space left", "best model so far", "best.keras")
    assert not [f for f in run.rglob(".*") if f.is_file()]
    assert Run.open(run).load_best().classes == 2


def test_other_channel_count(photos: Path, tmp_path: Path, capsys) -> None:
    save(photos / "images" / "8.tif", pixels(48, 56, 4))
    refused(capsys, arguments(photos, tmp_path / "run"), "channels")
    assert not (tmp_path / "run").exists()


def test_empty_folder(photos: Path, tmp_path: Path, capsys) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    given = ["train", "--data", str(empty), "--out", str(tmp_path / "run")]
    refused(capsys, given, str(empty))


def test_existing_run_is_not_touched(photos: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "letter.txt").write_text("keep me")
    refused(capsys, arguments(photos, run), "new or empty run folder", "--overwrite")
    refused(capsys, arguments(photos, run, "--overwrite"), "Nothing was deleted")
    assert (run / "letter.txt").read_text() == "keep me"


def test_no_run_there(tmp_path: Path, capsys) -> None:
    for verb in (["evaluate"], ["export", "--format", "onnx"]):
        refused(capsys, [verb[0], str(tmp_path / "none"), *verb[1:]], "folder of a run")
    refused(capsys, ["evaluate", str(tmp_path)], "config.json")


def test_all_pixels_masked_trains_on_nothing_but_does_not_break(
    photos: Path, tmp_path: Path, capsys
) -> None:
    for path in (photos / "masks").iterdir():
        Image.fromarray(np.full((48, 56), 255, np.uint8)).save(path)
    capsys.readouterr()
    # Either answer is sound: refused with a clear word, or a loss of exactly nothing.
    refused(capsys, arguments(photos, tmp_path / "run", "--use-masks"), "class")


def test_evaluate_without_masks(photos: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    given = ["train", "--data", str(photos / "images"), "--classes", "2", "--out", str(run)]
    assert main([*given, *QUICK, "--epochs", "1"]) == 0
    refused(capsys, ["evaluate", str(run)], "masks to score against")
    assert not (run / "evaluation.json").exists()
    masks = ["--masks", str(photos / "masks"), "--class-file", str(photos / "classes.yaml")]
    assert main(["evaluate", str(run), *masks]) == 0
    assert json.loads((run / "evaluation.json").read_text())["images"] == 8
