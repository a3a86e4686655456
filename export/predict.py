"""Predicting: a run, or an export, and images become label maps and pictures of them."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.file_scene import FileScene
from iic_tf.data.fingerprint import said
from iic_tf.data.folder import load_folder
from iic_tf.data.registry import absolute, check_options, source_from_dict
from iic_tf.data.scene import Scene, SceneSet
from iic_tf.errors import InputError
from iic_tf.export.areas import TABLE, AreaSum, AreaTable
from iic_tf.export.exported_model import Exported
from iic_tf.export.label_files import fits_png, place_for_labels, write_labels
from iic_tf.export.labelling import Labelling, Taker
from iic_tf.export.legend import Legend
from iic_tf.export.model import SceneModel
from iic_tf.export.open_model import open_scene_model
from iic_tf.export.percent_files import percent_file
from iic_tf.export.qgis_style import write_style
from iic_tf.export.results_folder import make_folder
from iic_tf.export.shares import largest_shares
from iic_tf.export.sheet import choose, make_row, write_sheet
from iic_tf.pictures.labels import confidence_image, overlay
from iic_tf.training.atomic import replacing
from iic_tf.training.dim_images import misfit_note
from iic_tf.training.pace import Pace
from iic_tf.training.progress import track

if TYPE_CHECKING:
    from iic_tf.training.run import Run

_PARTS = (
    *("labels.png", "labels.tif", "labels.qml", "overlay.jpg"),
    *("confidence.png", "confidence.tif", "probabilities.tif"),
)


def predict(
    run: Run | str | Path | Exported,
    images: str | Path,
    out: str | Path,
    confidence: bool = False,
    probabilities: bool = False,
    head: str | None = None,
    classes: int | None = None,
    masks: str | Path | None = None,
    class_file: str | Path | None = None,
    image_glob: str | None = None,
    mask_glob: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Segment images with the best model of a run, or with an export.

    In `out`: for each image `<name>_labels.png` (cluster indices with a palette; a TIFF beside or
    instead, with a style for QGIS, see `iic_tf.export.label_files`), `<name>_overlay.jpg` (at most
    2000 pixels a side) and, if asked for, `<name>_confidence.png`, `<name>_confidence.tif` at full
    size where the labels are a TIFF, and `<name>_probabilities.tif`; for all together `sheet.png`
    with up to 8 images, `areas.csv` and `legend.json` with the areas' totals. Files of these names
    are replaced, each whole or not at all.

    Args:
        run: a trained run; or the path of an export, a SavedModel's folder or an ONNX file.
        images: an image, a folder of them or a list, see `iic_tf.data.folder`; or the name of the
            run's own data set, such as `scenes`, for what it was trained on.
        out: a folder.
        confidence: also write maps of the largest probability.
        probabilities: also write those of all labels, a band for each.
        head: what to label with, see `iic_tf.training.answer.answer_of`: named classes
            where there are any, else the main head's clusters, which keep their numbers. An
            export has one answer.
        classes: or groups of clusters, likewise.
        masks: masks to be shown beside the predictions; they change nothing.
        class_file: what the masks mean.
        image_glob: pattern of the images in the folder.
        mask_glob: pattern of the masks.
        say: gets each line shown to the user.

    Raises:
        InputError: no images, other channels than the run's, no trained model, or an export that
            lacks what is asked for, before anything is written; or damaged images, after all
            others are done.
    """
    model = open_scene_model(run, head, classes, confidence, probabilities)
    for note in model.notes:
        say(f"note: {note}")
    scenes = _load(model, images, masks, class_file, image_glob, mask_glob, say)
    written = {f"{s.name}_{part}" for s in scenes.scenes for part in _PARTS}
    written |= {"sheet.png", TABLE}
    folder = make_folder(Path(out), Path(images), _inputs(scenes.scenes), written)
    shown = choose(scenes.scenes)
    legend = dataclasses.replace(model.legend, classes=scenes.classes)
    # First of all: by it the folder is known as one of predictions, should this be killed.
    known = (folder / "legend.json").exists()
    legend.write(folder / "legend.json")
    areas = AreaTable(legend)
    pace = Pace(sum(scene.height * scene.width for scene in scenes.scenes))
    rows = {}
    broken: list[str] = []
    for number, scene in enumerate(track(scenes.scenes, "images"), 1):
        started = time.monotonic()
        try:
            labelling = Labelling(model.predictor, scenes, scene, with_mask=scene in shown)
            square_metres = _write(folder, labelling, legend, confidence, probabilities)
        except InputError as error:
            # The others are still worth having.
            broken.append(str(error))
            pace.skip(scene.height * scene.width)
            say(f"{number}/{len(scenes.scenes)}  {scene.name}: left out. {error}")
            continue
        areas.add(scene.name, labelling.counts, square_metres)
        if scene in shown:
            rows[scene.name] = make_row(labelling)
        seconds = time.monotonic() - started
        pace.add(scene.height * scene.width, seconds)
        say(
            f"{number}/{len(scenes.scenes)}  {scene.name}  {scene.height}×{scene.width}  "
            f"{_shares(labelling, legend)}  {seconds:.1f} s, {pace}"
        )
    if len(broken) < len(scenes.scenes):
        areas.write(folder / TABLE)
        legend.write(folder / "legend.json", areas.totals())
    if rows:
        write_sheet(folder / "sheet.png", list(rows.values()), legend)
        say(f"written to {folder}; begin with {folder / 'sheet.png'}")
    elif not known:
        (folder / "legend.json").unlink()
    if broken:
        raise InputError(
            f"{len(broken)} of {len(scenes.scenes)} images were left out. {' '.join(broken)}"
        )


def _load(
    model: SceneModel,
    images: str | Path,
    masks: str | Path | None,
    class_file: str | Path | None,
    image_glob: str | None,
    mask_glob: str | None,
    say: Callable[[str], None],
) -> SceneSet:
    source, channels = model.config.get("source", {}), model.channels
    given = {
        name: value
        for name, value in (
            *(("masks", masks), ("class_file", class_file)),
            *(("image_glob", image_glob), ("mask_glob", mask_glob)),
        )
        if value is not None
    }
    named = images == source.get("dataset") and not Path(images).exists()
    own = named or absolute(str(images)) == source.get("data")
    if own:
        # What the run was trained on, with the masks and patterns that go with it.
        check_options(source.get("dataset", "folder"), given)
        scenes: SceneSet = source_from_dict({**source, **given}).load()
        for line in said(model.config, scenes, source.get("data")):
            say(f"note: {line}")
        known = ("masks", "class_file", "image_glob", "mask_glob")
        used = [name for name in known if source.get(name) and name not in given]
        if used and not named:
            as_options = (f"--{name.replace('_', '-')} {source[name]}" for name in used)
            say(f"note: as in training: {', '.join(as_options)}")
    else:
        scenes = load_folder(
            images,
            masks,
            class_file,
            image_glob=image_glob,
            mask_glob=mask_glob,
            convert={1: "1", 3: "3"}.get(channels, "auto"),  # type: ignore[arg-type]
            bands=model.bands,
        )
    for note in scenes.notes:
        say(f"note: {note}")
    if scenes.channels != channels:
        raise InputError(
            f"Expected images of {channels} channels, as {model.what} was trained on; "
            f"received {scenes.channels} in '{images}'."
        )
    as_seen = dataclasses.replace(scenes, low=model.low, high=model.high, fill=model.fill)
    if not own:
        for line in misfit_note(as_seen):
            say(line)
    return as_seen


def _shares(labelling: Labelling, legend: Legend) -> str:
    """The largest clusters, and the share of pixels that hold no data, where there are any."""
    known = labelling.counts.sum()
    parts = [largest_shares(labelling.counts, legend.names)] if known else []
    if labelling.empty:
        share = labelling.empty / (labelling.empty + known)
        parts.append(f"no data {share:.0%}" if share >= 0.01 else "no data <1%")
    return "; ".join(parts)


def _inputs(scenes: Sequence[Scene]) -> Iterator[Path]:
    for scene in scenes:
        if isinstance(scene, FileScene):
            yield from scene.image.paths
            if scene.mask is not None:
                yield scene.mask.path


def _write(
    folder: Path, labelling: Labelling, legend: Legend, confidence: bool, probabilities: bool
) -> NDArray[np.float64] | None:
    """Write all of a scene; square metres of each label, where they are known."""
    scene = labelling.scene
    place = place_for_labels(scene.image.path if isinstance(scene, FileScene) else None)
    areas = AreaSum(place or {}, len(legend.names))
    size = (scene.height, scene.width)
    # Numbers of classes in files; whatever is more stands for no data and stays.
    numbers = np.arange(256, dtype=np.uint8)
    numbers[: len(legend.numbers)] = legend.numbers

    takers: dict[str, Taker] = {}

    def strips() -> Iterator[NDArray[np.uint8]]:
        for strip in labelling.strips(**takers):
            areas.add(strip)
            yield numbers[strip]

    names = dict(zip(legend.numbers.tolist(), legend.names, strict=True))
    with contextlib.ExitStack() as stack:
        if confidence and (place is not None or not fits_png(size)):
            path = folder / f"{scene.name}_confidence.tif"
            file = percent_file(path, size, place or {}, {"largest probability": 0})
            takers["confidence"] = stack.enter_context(file)
        if probabilities:
            path = folder / f"{scene.name}_probabilities.tif"
            file = percent_file(path, size, place or {}, legend.bands())
            takers["probabilities"] = stack.enter_context(file)
        written = write_labels(
            folder, scene.name, strips(), size, legend.file_colours(), place, names
        )
    for path in written:
        if path.suffix == ".tif":
            write_style(path.with_suffix(".qml"), legend)
    with replacing(folder / f"{scene.name}_overlay.jpg") as temporary:
        picture = overlay(labelling.rgb, labelling.labels.astype(np.int64), legend.colours)
        picture.save(temporary, quality=90)
    if confidence:
        with replacing(folder / f"{scene.name}_confidence.png") as temporary:
            clusters = labelling.predictor.clusters
            confidence_image(labelling.confidence, clusters).save(temporary)
    return areas.square_metres
