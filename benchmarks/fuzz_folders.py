"""Damaged run folders for `fuzz.py`: a file flipped, cut, gone or replaced; four verbs on each."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import Case
from fuzz_commands import BASES
from PIL import Image

CLASSES = "classes:\n  dark: {values: [0]}\n  light: {values: [1]}\n"
WRONG: list[Any] = [None, [], {}, "x", -1, 0, 1e400, True, [[]], {"a": {"b": []}}, 10**20, "\udcff"]


def made_data(work: Path) -> None:
    """A few images with masks."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (work / "data" / part).mkdir(parents=True)
    for i in range(3):
        mask = (np.arange(24)[None, :] > 8 + i).repeat(24, axis=0).astype(np.uint8)
        image = (mask[..., None] * 90 + rng.integers(0, 90, (24, 24, 3))).astype(np.uint8)
        Image.fromarray(image).save(work / "data" / "images" / f"{i}.png")
        Image.fromarray(mask).save(work / "data" / "masks" / f"{i}.png")
    (work / "data" / "classes.yaml").write_text(CLASSES)


def made_run(work: Path) -> None:
    """A run of two epochs, in `run`."""
    from iic_tf.cli import main

    data = ["--masks", "data/masks", "--class-file", "data/classes.yaml", "--classes", "2"]
    words = ["train", "--data", "data/images", "--out", "run", *BASES["iic"], *data]
    assert main([*words, "--epochs", "2"]) == 0


def folders(work: Path, seed: int, count: int) -> list[Case]:
    """Cases of so many damaged folders, four of each."""
    if not count:
        return []
    rng = random.Random(seed)
    damages = list(_damages(work / "run", rng))
    rng.shuffle(damages)
    # Half of them are of the model, where most bytes are.
    models = [one for one in damages if one[0].startswith("best.keras")][: count // 2]
    others = [one for one in damages if not one[0].startswith("best.keras")]
    chosen = [*models, *others[: count - len(models)]]
    rng.shuffle(chosen)
    return [case for name, damage in chosen for case in _verbs(work, name, damage)]


def _verbs(work: Path, name: str, damage: Callable[[Path], None]) -> Iterator[Case]:
    damaged = work / "damaged"

    def prepare() -> None:
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(work / "run", damaged)
        damage(damaged)

    commands = {
        "evaluate": ("evaluate", "damaged"),
        "predict": ("predict", "damaged", "data/images", "--out", "out"),
        "export": ("export", "damaged", "--format", "savedmodel", "--out", "out"),
        "resume": ("train", "--resume", "--out", "damaged"),
    }
    flipped = name.startswith("best.keras: a byte")
    for verb, words in commands.items():
        may_change = ("damaged",) if verb == "resume" else ()
        yield Case(
            f"{verb}, {name}",
            words,
            prepare,
            partial(shutil.rmtree, damaged, True),
            may_work=verb == "resume" or not flipped,
            may_change=may_change,
        )


def _damages(run: Path, rng: random.Random) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Each with a name."""
    files = [f.relative_to(run) for f in sorted(run.rglob("*")) if f.is_file()]
    for file in files:
        if file.parts[0] in ("pictures", "events"):
            continue
        size = (run / file).stat().st_size
        for _ in range(60 if file.name == "best.keras" else 4):
            place = rng.randrange(max(size, 1))
            yield f"{file}: a byte, {place} of {size}", partial(_flip, file, place)
        for share in (0.0, 0.5, 0.99):
            yield f"{file}: cut to {share}", partial(_cut, file, int(size * share))
        yield f"{file}: gone", partial(_gone, file)
        yield f"{file}: a folder", partial(_folder, file)
        for junk in (b"\0" * 100, b"[1, 2]", b"{}", b"null", b"\xff\xfe", b"[" * 100_000):
            yield f"{file}: {junk[:8]!r}", partial(_junk, file, junk)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    for path in _paths(config):
        for value in rng.sample(WRONG, 4):
            yield f"config.json: {'.'.join(path)} = {value!r}", partial(_wrong, path, value)
        yield f"config.json: without {'.'.join(path)}", partial(_without, path)


def _flip(file: Path, place: int, run: Path) -> None:
    stored = bytearray((run / file).read_bytes())
    stored[place] ^= 0x41
    (run / file).write_bytes(stored)


def _cut(file: Path, size: int, run: Path) -> None:
    (run / file).write_bytes((run / file).read_bytes()[:size])


def _gone(file: Path, run: Path) -> None:
    (run / file).unlink()


def _folder(file: Path, run: Path) -> None:
    (run / file).unlink()
    (run / file).mkdir()


def _junk(file: Path, junk: bytes, run: Path) -> None:
    (run / file).write_bytes(junk)


def _paths(values: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(values, dict):
        for name, value in values.items():
            yield (*above, name)
            yield from _paths(value, (*above, name))


def _wrong(path: tuple[str, ...], value: Any, run: Path) -> None:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    inner = config
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")


def _without(path: tuple[str, ...], run: Path) -> None:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    inner = config
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
