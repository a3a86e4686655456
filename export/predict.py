"""Predicting: a run, or an export, and images become label maps and pictures of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iic_tf.data.file_scene import FileScene
from iic_tf.data.fingerprint import said
from iic_tf.data.folder import load_folder
from iic_tf.data.registry import absolute, check_options, source_from_dict
from iic_tf.data.scene import Scene, SceneSet
from iic_tf.errors import InputError, expected
from iic_tf.export.areas import TABLE, AreaTable
from iic_tf.export.clip import Inside, clip_scenes
from iic_tf.export.exported_model import Exported
from iic_tf.export.legend import Legend
from iic_tf.export.model import SceneModel
from iic_tf.export.open_model import open_scene_model
from iic_tf.export.polygons import require_writer
from iic_tf.export.predictor import NO_DATA, Predictor
from iic_tf.export.records import Outcome, Records, digest_of
from iic_tf.export.results_folder import make_folder
from iic_tf.export.scene_files import PARTS, Wanted
from iic_tf.export.scene_job import SceneJob
from iic_tf.export.shares import largest_shares
from iic_tf.export.sheet import Panels, choose, windows_each, write_sheet
from iic_tf.export.smoothing import check_side, require_superpixels
from iic_tf.training.dim_images import misfit_note
from iic_tf.training.pace import Pace
from iic_tf.training.progress import track
from iic_tf.version import __version__

if TYPE_CHECKING:
    from iic_tf.training.run import Run


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
    polygons: bool = False,
    smallest_area: float = 0.0,
    clip: str | Path | None = None,
    smooth: int | None = None,
    resume: bool = False,
    ray_workers: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Segment images with the best model of a run, or with an export.

    In `out`: for each image `<name>_labels.png` (cluster indices with a palette; a TIFF beside or
    instead, with a style for QGIS, see `iic_tf.export.label_files`), `<name>_overlay.jpg` (at most
    1999 pixels a side) and, if asked for, `<name>_confidence.png`, `<name>_confidence.tif` at full
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
        polygons: also write the regions of each scene, see `iic_tf.export.polygons`.
        smallest_area: of these.
        clip: a file of polygons, outside of which is no data; see `iic_tf.export.clip`.
        smooth: give superpixels of about so many pixels a side one label each, see
            `iic_tf.export.smoothing`; None: labels as they are found.
        resume: go on with an earlier call that did not end: what it did is kept.
        ray_workers: label scenes in so many Ray workers; None: in this process.
        say: gets each line shown to the user.

    Raises:
        InputError: no images, other channels than the run's, no trained model, an export that lacks
            what is asked for, or an earlier call of other options to go on with, before anything
            is written; damaged images, after all others are done; or nowhere to write, what is
            done being kept for `resume`.
    """
    wanted = Wanted(confidence, probabilities, polygons, smallest_area, smooth)
    if polygons:
        require_writer()
    elif smallest_area:
        raise expected("--smallest-area beside --polygons", "it alone")
    if smooth is not None:
        check_side(smooth)
        if probabilities:
            raise expected("--smooth or --probabilities, which are of labels as found", "both")
        require_superpixels()
    if not 0 <= smallest_area < np.inf:
        raise expected("an area of 0 or more", smallest_area, "smallest-area")
    if ray_workers is not None:
        # Here, not above: it loads TensorFlow.
        from iic_tf.training.ray_workers import require_ray

        require_ray(ray_workers)
    weighed = confidence or smooth is not None
    model = open_scene_model(run, head, classes, weighed, probabilities)
    for note in model.notes:
        say(f"note: {note}")
    scenes = _load(model, images, masks, class_file, image_glob, mask_glob, say)
    inside: dict[str, Inside] | None = None
    if clip is not None:
        scenes, inside = _clipped(scenes, clip, model.predictor.clusters, say)
    written = {f"{s.name}_{part}" for s in scenes.scenes for part in PARTS}
    written |= {"sheet.png", TABLE}
    folder = make_folder(Path(out), Path(images), _inputs(scenes.scenes), written)
    legend = dataclasses.replace(model.legend, classes=scenes.classes)
    asked = {"--head": head, "--classes": classes, "--clip": clip and digest_of(Path(clip))}
    call = {
        "version of iic_tf": __version__,
        "model": model.digest,
        "names, colours or numbers": legend.digest,
        **asked,
        **{f"--{name.replace('_', '-')}": v for name, v in dataclasses.asdict(wanted).items()},
    }
    records = Records(folder, call, resume)
    # First of all: by it the folder is known as one of predictions, should this be killed.
    known = (folder / "legend.json").exists()
    legend.write(folder / "legend.json")
    shown = frozenset(scene.name for scene in choose(scenes.scenes))
    seed = int(model.config.get("seed") or 0)
    panels = Panels(seed, windows_each(len(shown)))
    job = SceneJob(folder, scenes, legend, wanted, shown, panels, inside, call)
    elsewhere = None
    if ray_workers is not None:
        from iic_tf.export.ray_scenes import label_on_ray

        source = run.path if isinstance(run, Exported) else run
        again = partial(_predictor, source, head, classes, weighed, probabilities)
        elsewhere = partial(label_on_ray, ray_workers, again, job, say)
    done = job.outcomes(model.predictor, records, elsewhere)
    found = _followed(done, scenes.scenes, legend, say)
    broken = [outcome.error for outcome in found if outcome.error is not None]
    well = [outcome for outcome in found if outcome.error is None]
    if well:
        areas = AreaTable(legend)
        for outcome in well:
            areas.add(outcome.name, outcome.counts, outcome.square_metres)
        areas.write(folder / TABLE)
        legend.write(folder / "legend.json", areas.totals())
    rows = [row for outcome in well for row in outcome.rows]
    if rows:
        pages = write_sheet(folder / "sheet.png", rows, legend)
        say(f"written to {folder}; begin with {', '.join(map(str, pages))}")
    elif not (known or well):
        (folder / "legend.json").unlink()
    if not (well and resume):
        # Who asks for no more is left no file for it.
        records.remove()
    if broken:
        raise InputError(
            f"{len(broken)} of {len(scenes.scenes)} images were left out. {' '.join(broken)}"
        )


def _followed(
    done: Iterator[tuple[int, Outcome]],
    scenes: Sequence[Scene],
    legend: Legend,
    say: Callable[[str], None],
) -> list[Outcome]:
    """What came of all scenes, in their order; a line is said of each once it is done."""
    pace = Pace(sum(scene.height * scene.width for scene in scenes))
    found: dict[int, Outcome] = {}
    before = time.monotonic()
    for number, outcome in track(done, "images", len(scenes)):
        found[number] = outcome
        scene = scenes[number]
        pixels = scene.height * scene.width
        line = f"{len(found)}/{len(scenes)}  {scene.name}"
        if outcome.error is not None:
            # The others are still worth having.
            pace.skip(pixels)
            say(f"{line}: left out. {outcome.error}")
        elif outcome.kept:
            pace.skip(pixels)
            say(f"{line}  {scene.height}×{scene.width}  {_shares(outcome, legend)}  kept")
        else:
            pace.add(pixels, time.monotonic() - before)
            say(
                f"{line}  {scene.height}×{scene.width}  {_shares(outcome, legend)}  "
                f"{outcome.seconds:.1f} s, {pace}{outcome.note}"
            )
        before = time.monotonic()
    return [found[number] for number in sorted(found)]


def _predictor(source: Run | str | Path, *asked: Any) -> Predictor:
    """That of a model, in another process."""
    return open_scene_model(source, *asked).predictor


def _clipped(
    scenes: SceneSet, file: str | Path, labels: int, say: Callable[[str], None]
) -> tuple[SceneSet, dict[str, Inside]]:
    """The scenes on which the polygons of a file lie, and what of each."""
    if labels > NO_DATA:
        raise expected(f"at most {NO_DATA} clusters with --clip, for no data is one more", labels)
    kept, inside, notes = clip_scenes(scenes.scenes, file)
    for note in notes:
        say(f"note: {note}")
    names = [scene.name for scene in kept]
    return dataclasses.replace(scenes, scenes=tuple(kept)), dict(zip(names, inside, strict=True))


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


def _shares(outcome: Outcome, legend: Legend) -> str:
    """The largest clusters, and the share of pixels that hold no data, where there are any."""
    known = outcome.counts.sum()
    parts = [largest_shares(outcome.counts, legend.names)] if known else []
    if outcome.empty:
        share = outcome.empty / (outcome.empty + known)
        parts.append(f"no data {share:.0%}" if share >= 0.01 else "no data <1%")
    return "; ".join(parts)


def _inputs(scenes: Sequence[Scene]) -> Iterator[Path]:
    for scene in scenes:
        if isinstance(scene, FileScene):
            yield from scene.image.paths
            if scene.mask is not None:
                yield scene.mask.path
