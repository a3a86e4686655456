"""Exporting a run: which formats there are, where they go, what the user is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from iic_tf.errors import InputError, expected, require_text
from iic_tf.export import deepness
from iic_tf.export.form import Form
from iic_tf.export.int8 import KEY, export_int8
from iic_tf.export.model_card import CARD, Card, card_of, card_path, require_card
from iic_tf.export.onnx_file import export_onnx, window_path
from iic_tf.export.savedmodel import EXTRA, WINDOW, export_savedmodel
from iic_tf.export.servable import INPUT, LABELS, PLAIN, PROBABILITIES, Servable
from iic_tf.export.served_run import trained_bands
from iic_tf.export.serving import CONFIG, export_serving
from iic_tf.export.web import MARK, export_web, web_notes
from iic_tf.training.answer import CLASSES, Answer, answer_of
from iic_tf.training.atomic import clear_left
from iic_tf.training.progress import progress
from iic_tf.training.run import Run
from iic_tf.turns import MAIN


@dataclass(frozen=True)
class Format:
    """One export format.

    Attributes:
        place: where it goes inside RUN/export.
        write: writes and checks it, with what it says of itself; returns how far it is from the
            Keras model.
        mark: the file by which an export of this kind is known within its folder; None where the
            export is one file.
        hint: what the user may do next; `{}` becomes the path.
        notes: more lines for the user, by the path of the export, at the very end.
        windows: where the graph for windows of a scene is, by the path of the export.
        card: where its `model.json` goes, likewise.
        describe: lines for the user on its input and outputs; None: those of most.
        cuts: whether what is written cuts scenes into windows itself.
    """

    place: str
    write: Callable[[Servable, Path, Form, Card], float]
    card: Callable[[Path], Path]
    mark: str | None = None
    hint: str | None = None
    windows: Callable[[Path], Path] = lambda path: path
    notes: Callable[[Path], list[str]] = lambda path: []
    describe: Callable[[Servable, Form], list[str]] | None = None
    cuts: bool = False


FORMATS = {
    "savedmodel": Format(
        "savedmodel/1",
        export_savedmodel,
        lambda path: path / EXTRA / CARD,
        "saved_model.pb",
        "look at it: saved_model_cli show --all --dir {}",
    ),
    "onnx": Format("model.onnx", export_onnx, card_path, windows=window_path),
    "web": Format("web", export_web, lambda path: path / CARD, MARK, notes=web_notes, cuts=True),
    "serving": Format(
        "serving",
        export_serving,
        lambda path: path / CARD,
        CONFIG,
        "serve it: cd {}; docker compose up; python -m client SCENE LABELS; see README.md",
        cuts=True,
    ),
    "deepness": Format(
        "deepness.onnx",
        deepness.export_deepness,
        card_path,
        hint="in QGIS: Plugins, Deepness, model file {}",
        describe=deepness.describe,
        cuts=True,
    ),
}


def export(
    run: Run,
    format: str,
    out: str | Path | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
    head: str | None = None,
    classes: int | None = None,
    form: Form = PLAIN,
    int8: bool = False,
) -> Path:
    """Write the best model of a run, preprocessing included, for use without this package.

    Args:
        run: a trained run.
        format: a name in `FORMATS`.
        out: the folder or the file; None: RUN/export and the format's place.
        overwrite: replace an earlier export in that place.
        say: gets each line shown to the user.
        head: what the model answers with, see `iic_tf.training.answer.answer_of`.
        classes: or groups of clusters, likewise.
        form: what its input and outputs are.
        int8: of ONNX: weights of 8 bits, see `iic_tf.export.int8`.

    Returns:
        Where it was written.

    Raises:
        InputError: an unknown format, something in the way, no trained model, or integers asked
            for that cannot hold its pixels.
        ExportError: the model cannot be exported, or the exported one computes something else;
            then nothing is written, and an earlier export stays.
    """
    if format not in FORMATS:
        raise expected(f"a format among {', '.join(FORMATS)}", format, "format")
    if int8 and format != "onnx":
        raise InputError(f"Expected --int8 only with format onnx; received it with {format}.")
    kind = FORMATS[format]
    path = run.folder / "export" / kind.place if out is None else Path(out)
    require_text(path)
    _require_free(path, kind, overwrite)
    if kind.mark is None:
        _require_free_card(kind.card(path), overwrite)
    with progress("1/3  loading the model"):
        answer = answer_of(run, head, classes)
    served = answer.served
    form.check_range(served)
    windows = kind.windows(path) if served.scene_features else path
    if windows != path:
        _require_free(windows, kind, overwrite)
    bands = trained_bands(run)
    what = "groups" if classes is not None else CLASSES if answer.meaning else head or MAIN
    card = card_of(run, answer, what, form)
    with _explained(path):
        clear_left(path.parent)
        if int8:
            difference = export_int8(run, served, path, form, card)
        else:
            difference = kind.write(served, path, form, card)
    say(f"written: {path}")
    for line in (*(kind.describe or _describe)(served, form), *_classes(answer)):
        say(line)
    if bands is not None:
        say(f"  bands   {bands}, in this order")
    if card.get("whole_scene") is False and not kind.cuts:
        say(
            f"  tiles   begin at multiples of {served.align} pixels and show {served.margin} or "
            "more around what is kept of them"
        )
    if card.get("resolution"):
        say(f"  ground  trained on pixels of {card['resolution']:.3g} m")
    say(f"  more    {kind.card(path)}" + (", metadata" if format == "onnx" else ""))
    if served.scene_features and not kind.cuts:
        say(
            "  labels depend on the image as a whole; to cut one into windows: "
            + (f"{windows}" if windows != path else f"signature {WINDOW}")
            + f", at multiples of {served.align} pixels, with {served.margin} or more around"
        )
    if form.labels_only:
        say(f"labels that differ from the Keras model's: {100 * difference:.2g} %")
    else:
        say(f"largest difference from the Keras model: {difference:.1e}")
    if int8:
        found = card[KEY]
        say(
            f"that is before its weights got 8 bits: then {100 * found['agreement']:.2f} % of the "
            f"labels are the same, on {found['on']}"
        )
    if kind.hint:
        say(kind.hint.format(path))
    for line in kind.notes(path):
        say(line)
    return path


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what stops writing, a full disk say, into one message."""
    try:
        yield
    except InputError:
        raise
    except (OSError, tf.errors.OpError) as error:
        said = " ".join(str(error).split())[:300]
        raise InputError(
            f"Expected room to write {path}; received {said}. Nothing was left there."
        ) from error


def _require_free(path: Path, kind: Format, overwrite: bool) -> None:
    wanted = "file" if kind.mark is None else "folder"
    if not path.exists() or (path.is_dir() and wanted == "folder" and not any(path.iterdir())):
        return
    # Told before overwriting is: a folder of something else must not go away for a mistyped --out.
    if path.is_dir() != (wanted == "folder") or (kind.mark and not (path / kind.mark).is_file()):
        raise InputError(
            f"Expected the path of a {wanted} for the export; received {path}, which is something "
            "else. Nothing was changed."
        )
    if not overwrite:
        raise _there_already(path)


def _require_free_card(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    require_card(path)
    if not overwrite:
        raise _there_already(path)


def _there_already(path: Path) -> InputError:
    return InputError(
        f"Expected a new path for the export; received {path}, which is there already. "
        "Choose another --out, or replace it with --overwrite."
    )


def _describe(served: Servable, form: Form) -> list[str]:
    channels, classes = served.model.channels, served.model.classes
    axes = ", ".join(served.axes)
    low, high = (_span(v.tolist()) for v in (served.low, served.high))
    lines = [
        f"  input   {INPUT}: {form.pixels} [batch, height, width, {channels}], raw values "
        f"({low} becomes 0, {high} becomes 1)"
        + ("; they cannot say that a pixel holds no data" if form.integer else ""),
        f"  output  {LABELS}: {form.labels} [{axes}]",
    ]
    if not form.labels_only:
        lines.append(f"  output  {PROBABILITIES}: float32 [{axes}, {classes}]")
    return lines


def _classes(answer: Answer) -> list[str]:
    """Numbers and names, where labels were named."""
    if answer.meaning is None:
        return []
    pairs = zip(answer.numbers, answer.names, strict=True)
    return [f"  classes {', '.join(f'{number} {name}' for number, name in pairs)}"]


def _span(values: list[float]) -> str:
    texts = [f"{v:g}" for v in values]
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"
