"""Predictions that were interrupted go on, and end as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from image_files import gdal_tiff
from test_predict import picture
from tiny_run import make_run

from iic_tf.cli import main
from iic_tf.data.windows import Window
from iic_tf.errors import InputError
from iic_tf.export import labelling, scene_job
from iic_tf.export.kept_windows import KeptMaps, clear_kept, kept_path
from iic_tf.export.keras_predictor import KerasPredictor
from iic_tf.export.predict import predict
from iic_tf.export.records import RECORDS
from iic_tf.export.window_maps import Maps

ALL = {"confidence": True, "probabilities": True}


class Stopped(BaseException):
    """As a kill ends a process, but for what it leaves of files that are being written."""


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch):
    monkeypatch.setattr(labelling, "CORE", 20)
    monkeypatch.setattr(scene_job, "KEPT_FROM", 5000)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A run and a folder of three scenes, the second large enough for its windows to be kept."""
    folder = tmp_path_factory.mktemp("resume")
    run = make_run(folder)
    (folder / "in").mkdir()
    for number, (name, side) in enumerate((("a", 40), ("b", 90), ("c", 30))):
        pixels = np.maximum(picture(side, side, seed=number), 1)
        pixels[:5] = 0
        gdal_tiff(folder / f"in/{name}.tif", pixels, nodata=0)
    return folder, run


@pytest.fixture(scope="module")
def whole(scenes):
    """What an uninterrupted call writes."""
    folder, run = scenes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelling, "CORE", 20)
        predict(run, folder / "in", folder / "whole", **ALL, say=str)
    return contents(folder / "whole")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stop_after(monkeypatch, windows, error=Stopped):
    """The model answers for so many windows more, and then no more."""
    maps, left = KerasPredictor.maps, [windows]

    def some(*args):
        if not left[0]:
            raise error
        left[0] -= 1
        return maps(*args)

    monkeypatch.setattr(KerasPredictor, "maps", some)
    return left


def stopped(monkeypatch, windows, *call, **options):
    """A prediction that ends after so many windows."""
    with monkeypatch.context() as patch:
        stop_after(patch, windows)
        with pytest.raises(Stopped):
            predict(*call, **options, say=str)


@pytest.mark.parametrize("windows", [9, 26])
def test_an_interrupted_call_goes_on_and_ends_the_same(
    scenes, whole, tmp_path, monkeypatch, windows
):
    folder, run = scenes
    stopped(monkeypatch, windows, run, folder / "in", tmp_path, **ALL)
    # a has 4 windows, b 25 and c 4: those done are not asked for again.
    with monkeypatch.context() as patch:
        left = stop_after(patch, 33)
        said = []
        predict(run, folder / "in", tmp_path, **ALL, resume=True, say=said.append)
    assert left == [windows]
    found = contents(tmp_path)
    records = found.pop(RECORDS).decode().splitlines()
    assert [json.loads(line)["scene"] for line in records[1:]] == ["a", "b", "c"]
    assert found == whole
    said = [line for line in said if not line.startswith("note: ")]
    assert said[0].startswith("1/3  a  40×40  ")
    assert said[0].endswith("  kept")
    assert f"{windows - 4} windows kept" in said[1]


def test_what_is_done_already_is_kept_unless_image_or_files_changed(scenes, tmp_path, monkeypatch):
    folder, run = scenes
    (tmp_path / "in").mkdir()
    for name in "ac":
        os.link(folder / f"in/{name}.tif", tmp_path / f"in/{name}.tif")
    out = tmp_path / "out"
    predict(run, tmp_path / "in", out, resume=True, say=str)
    before = contents(out)
    left = stop_after(monkeypatch, 100)
    predict(run, tmp_path / "in", out, resume=True, say=str)
    assert left == [100]
    assert contents(out) == before
    # A file less, and an image that is another one under the same name.
    (out / "c_overlay.jpg").unlink()
    predict(run, tmp_path / "in", out, resume=True, say=str)
    assert left == [96]
    assert contents(out).keys() == before.keys()
    (tmp_path / "in/a.tif").unlink()
    gdal_tiff(tmp_path / "in/a.tif", picture(20, 20, seed=9))
    predict(run, tmp_path / "in", out, resume=True, say=str)
    assert left == [95]
    # A new one.
    os.link(folder / "in/b.tif", tmp_path / "in/b.tif")
    predict(run, tmp_path / "in", out, resume=True, say=str)
    assert left == [70]


def test_without_resume_all_is_done_anew(scenes, whole, tmp_path, monkeypatch):
    folder, run = scenes
    stopped(monkeypatch, 15, run, folder / "in", tmp_path, **ALL)
    assert kept_path(tmp_path, "b").exists()
    left = stop_after(monkeypatch, 100)
    predict(run, folder / "in", tmp_path, **ALL, say=str)
    assert left == [67]
    assert contents(tmp_path) == whole


def test_another_model_or_options_are_refused(scenes, tmp_path, monkeypatch):
    folder, run = scenes
    out = tmp_path / "out"
    stopped(monkeypatch, 6, run, folder / "in", out)
    before = contents(out)
    other = make_run(tmp_path, seed=1)
    cases = [
        ((other, {}), "received another model[.]"),
        ((run, {"confidence": True}), "--confidence True in place of False"),
        ((run, {"head": "overclusters"}), "another model, .*--head overclusters in place of None"),
        ((run, {"polygons": True, "smallest_area": 4.0}), "--smallest-area 4.0 in place of 0.0"),
    ]
    for (which, more), message in cases:
        with pytest.raises(InputError, match=message):
            predict(which, folder / "in", out, resume=True, say=str, **more)
        assert contents(out) == before


def test_a_full_disk_is_one_message_and_what_is_done_is_kept(scenes, whole, tmp_path, monkeypatch):
    folder, run = scenes
    with monkeypatch.context() as patch:
        written = []

        def full(maps, name, arrays):
            written.append(name)
            if len(written) == 12:
                raise OSError(28, "No space left on device")
            append(maps, name, arrays)

        append = KeptMaps._append
        patch.setattr(KeptMaps, "_append", full)
        with pytest.raises(InputError, match=r"a full disk \(.*No space left.*with --resume"):
            predict(run, folder / "in", tmp_path, **ALL, say=str)
    assert {name for name in contents(tmp_path) if "labels" in name} == {
        f"a_labels.{suffix}" for suffix in ("png", "tif", "qml")
    }
    predict(run, folder / "in", tmp_path, **ALL, resume=True, say=str)
    found = contents(tmp_path)
    del found[RECORDS]
    assert found == whole


def maps_of(window):
    rng = np.random.default_rng(window.top)
    labels = rng.integers(0, 3, (window.height, window.width)).astype(np.uint8)
    return Maps(labels, rng.random(labels.shape, np.float32), labels[..., None].repeat(3, -1))


class Counted:
    """Maps that count how often they are asked for."""

    def __init__(self):
        self.count = 0

    def sums(self, scene):
        self.count += 1
        return np.float32([[1, 2]])

    def core(self, window, *_):
        self.count += 1
        return maps_of(window)


WINDOWS = [Window(top, 0, 10, 7, (top, 0, 10, 7)) for top in range(0, 50, 10)]


def asked(path, about="x", windows=WINDOWS):
    """How many maps of windows, and sums, are made, given what is kept there."""
    made = Counted()
    with KeptMaps(made, path, {"about": about}, confidence=True) as maps:
        np.testing.assert_array_equal(maps.sums(None), [[1, 2]])
        for window in windows:
            for found, wanted in zip(
                maps.core(window, None, None, None), maps_of(window), strict=True
            ):
                np.testing.assert_array_equal(found, wanted)
    return made.count


def test_kept_windows_are_whole_or_made_anew(tmp_path):
    path = kept_path(tmp_path, "a")
    assert asked(path, windows=WINDOWS[:3]) == 4
    assert asked(path, windows=WINDOWS[:3]) == 0
    kept = path.read_bytes()
    assert asked(path) == 2
    everything = path.read_bytes()
    # Cut anywhere, or with anything but what was written at its end.
    for end in (0, 5, 20, len(kept) - 1, len(kept) + 3):
        path.write_bytes(everything[:end])
        assert asked(path) == (6 if end < 21 else 3 if end < len(kept) else 2)
        assert path.read_bytes() == everything
    for end in (b"\0" * 5000, b"\xff" * 5000, everything[len(kept) :][:-30] + b"\1" * 30):
        path.write_bytes(kept + end)
        assert asked(path) in (1, 2)
        assert path.read_bytes() == everything
    # Of another image, or something else altogether.
    assert asked(path, "y") == 6
    path.write_bytes(b"mine")
    assert asked(path) == 6


def test_only_what_was_kept_is_cleared(tmp_path):
    asked(kept_path(tmp_path, "a"))
    (tmp_path / ".mine.windows").write_bytes(b"mine")
    clear_kept(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".mine.windows"]


def test_killed_and_resumed_by_the_command_line(tmp_path, capfd, monkeypatch):
    run = make_run(tmp_path)
    # Windows of smaller scenes than usual are kept, and are smaller themselves: nine of them.
    few = "import sys, iic_tf.export.scene_job as job, iic_tf.export.labelling as labelling; "
    few += "job.KEPT_FROM, labelling.CORE = 50_000, 128; "
    few += "from iic_tf.cli import main; main(sys.argv[1:])"
    monkeypatch.setattr(scene_job, "KEPT_FROM", 50_000)
    monkeypatch.setattr(labelling, "CORE", 128)
    pixels = np.tile(picture(150, 150), (2, 2, 1))
    gdal_tiff(tmp_path / "a.tif", pixels)
    words = ["predict", str(run.folder), str(tmp_path / "a.tif"), "--out"]
    killed = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", few, *words, str(killed)])
    kept = kept_path(killed, "a")
    until = time.monotonic() + 500
    try:
        while not kept.exists() or kept.stat().st_size < 4_000:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (killed / "a_labels.tif").exists()
    assert main([*words, str(killed), "--resume"]) == 0
    assert "windows kept" in capfd.readouterr().out
    assert main([*words, str(tmp_path / "whole")]) == 0
    found = contents(killed)
    del found[RECORDS]
    assert found == contents(tmp_path / "whole")
