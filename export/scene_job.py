"""The work on one scene, in this process or another."""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts
from iic_tf.console import one_line
from iic_tf.data.gdal import open_pixels
from iic_tf.data.scene import Scene, SceneSet, Valid
from iic_tf.data.windows import Window
from iic_tf.errors import InputError
from iic_tf.export.clip import Inside
from iic_tf.export.kept_windows import KeptMaps, kept_path
from iic_tf.export.labelling import Labelling
from iic_tf.export.legend import Legend
from iic_tf.export.predictor import NO_DATA, Predictor
from iic_tf.export.records import Outcome, Records, image_of
from iic_tf.export.scene_files import Wanted, write_scene
from iic_tf.export.sheet import Panels, make_rows
from iic_tf.export.smoothing import Smoothed
from iic_tf.export.window_maps import ByModel, Clipped, Maps, WindowMaps
from iic_tf.pictures.triplets import TripletRow

_FULL = 1 << 22
"""Bytes: a disk with less room is full, whatever a library makes of it."""

KEPT_FROM = 4_000_000
"""Pixels of a scene from which on its windows are kept until it is done: seconds of work."""


@dataclass(frozen=True, eq=False)
class SceneJob:
    """Labels scenes of a set; it may be sent to other processes.

    Attributes:
        folder: of the results.
        scenes: the set.
        legend: of the labels.
        wanted: what is written.
        shown: names of the scenes of the sheet.
        panels: which windows of large ones are shown there.
        inside: what is asked for of each scene, by name; None: all of all.
        about: what labels depend on beside the image.
    """

    folder: Path
    scenes: SceneSet
    legend: Legend
    wanted: Wanted
    shown: frozenset[str]
    panels: Panels
    inside: Mapping[str, Inside] | None
    about: Facts

    def outcomes(
        self,
        predictor: Predictor,
        records: Records,
        label: Callable[[list[int]], Iterator[tuple[int, Outcome]]] | None = None,
    ) -> Iterator[tuple[int, Outcome]]:
        """What comes of each scene, with its number, as they are done; those kept come first.

        Args:
            predictor: makes the labels.
            records: of scenes that are done, to which others are added.
            label: does so in other processes, of scenes by their numbers; None: in this one.

        Raises:
            InputError: there is nowhere to write; what is done is kept.
        """
        left = []
        for number, scene in enumerate(self.scenes.scenes):
            found = records.find(self.scenes, scene)
            if found is None:
                left.append(number)
                continue
            kept_path(self.folder, scene.name).unlink(missing_ok=True)
            rows = self._rows(predictor, scene, found) if scene.name in self.shown else ()
            yield number, replace(found, rows=rows)
        here = ((number, self.run(predictor, number)) for number in left)
        try:
            for number, outcome in here if label is None else label(left):
                if outcome.error is None:
                    records.add(self.scenes, self.scenes.scenes[number], outcome)
                    kept_path(self.folder, outcome.name).unlink(missing_ok=True)
                yield number, outcome
        except OSError as error:
            raise _unwritten(self.folder, error) from error

    def run(self, predictor: Predictor, number: int) -> Outcome:
        """Label a scene and write all of it. A damaged image is told in the outcome.

        Raises:
            OSError: it cannot be written; windows that are done are kept.
        """
        scene = self.scenes.scenes[number]
        started = time.monotonic()
        kept = kept_path(self.folder, scene.name)
        try:
            predictor.require(scene)
            if scene.height * scene.width < KEPT_FROM:
                return self._run(predictor, scene, ByModel(predictor), started)
            about = {**self.about, "image": image_of(self.scenes, scene)}
            with KeptMaps(ByModel(predictor), kept, about, self.wanted.confidence) as maps:
                outcome = self._run(predictor, scene, maps, started)
            note = f", {maps.kept} windows kept" if maps.kept else ""
            # The windows are deleted once the scene is written down as done.
            return replace(outcome, note=note)
        except InputError as error:
            kept.unlink(missing_ok=True)
            return Outcome(scene.name, np.zeros(predictor.clusters, np.int64), error=str(error))

    def _run(self, predictor: Predictor, scene: Scene, maps: WindowMaps, started: float) -> Outcome:
        if self.wanted.smooth is not None:
            maps = Smoothed(maps, self.scenes, predictor.clusters, self.wanted.smooth)
        if self.inside is not None:
            bands = predictor.clusters if self.wanted.probabilities else None
            maps = Clipped(maps, self.inside[scene.name], bands)
        shown = scene.name in self.shown
        labelling = Labelling(predictor, self.scenes, scene, with_mask=shown, maps=maps)
        metres = write_scene(self.folder, labelling, self.legend, self.wanted)
        panels = self.panels.of(labelling) if shown else ()
        return Outcome(
            scene.name,
            labelling.counts,
            labelling.empty,
            metres,
            panels,
            make_rows(labelling, panels) if shown else (),
            time.monotonic() - started,
        )

    def _rows(self, predictor: Predictor, scene: Scene, done: Outcome) -> tuple[TripletRow, ...]:
        """The rows of the sheet of a scene that is done, by the labels in its file."""
        maps = _InFile(self.folder, scene.name, self.legend)
        labelling = Labelling(predictor, self.scenes, scene, with_mask=True, maps=maps)
        for _ in labelling.strips():
            pass
        return make_rows(labelling, done.panels)


def _unwritten(folder: Path, error: OSError) -> InputError:
    free = 0
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or free < _FULL
    came = f"a full disk ({one_line(error)[:200]})" if full else one_line(error)[:300]
    return InputError(
        f"Expected to write to {folder}; received {came}. The scenes and windows that are done are "
        "kept: the same call with --resume goes on from there."
    )


class _InFile:
    """Maps of windows out of the label file of a scene; nobody asks for probabilities."""

    def __init__(self, folder: Path, name: str, legend: Legend):
        tiff = folder / f"{name}_labels.tif"
        self._png = not tiff.exists()
        self._path = tiff.with_suffix(".png") if self._png else tiff
        # Of 256 labels 255 is one.
        self._indices = np.full(256, NO_DATA, np.uint8)
        self._indices[legend.numbers] = np.arange(len(legend.numbers))

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """None are needed."""
        return np.zeros((1, 0), np.float32)

    def core(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        valid: Valid,
        sums: NDArray[np.float32] | None,
    ) -> Maps:
        """Labels of a window's core."""
        rows = (window.top, window.top + window.height)
        columns = (window.left, window.left + window.width)
        with open_pixels(self._path, "PNG" if self._png else "GTiff") as file:
            numbers = file.read(1, window=(rows, columns))
        return Maps(self._indices[numbers], np.zeros(numbers.shape, np.float32))
