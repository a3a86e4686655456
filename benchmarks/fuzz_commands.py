"""Wrong command lines for `fuzz.py`: each option of each verb with each kind of wrong value."""

from __future__ import annotations

import random
from pathlib import Path

from fuzz import Case

DIGITS = "12345678901234567890"
NUMBERS = [DIGITS, f"-{DIGITS}", "-1", "0", "nan", "inf", "-inf", "1e400", "1e-400", "1000000"]
TEXTS = [
    "",
    " ",
    "x" * 5000,
    "\udcff",
    "日本",
    "a\0b",
    "\n",
    "true",
    "null",
    "[",
    "{a: 1}",
    "[1, 2]",
]
VALUES = [*NUMBERS, *TEXTS, "1e9", "100000", "999999999", "0x10", "1_0", "2.5", "[[[]]]"]
PATHS = [
    "a\0b",
    "x" * 300,
    "y/" * 3000,
    "\udcff",
    "",
    "/dev/null",
    "/",
    "/proc/self/mem",
    "notes.txt",
]
PATHS += ["binary.yaml", "deep.yaml", "list.yaml", "empty.yaml", "nowhere", "~nobody/x", "."]
GLOBS = [*TEXTS, "../*", "/*", "**", "["]
NESTED = [
    *("{scale: 1}", "{scale: [1]}", "{scale: [nan, 1]}", "{scale: [2, 1]}", "{scale: [1, 1, 1]}"),
    *("{scale: [0.5, inf]}", "{scale: [a, b]}", "{scale: {a: 1}}", "{flip: nan}", "{flip: [1]}"),
    *("{flip: true}", "{flip: null}", "{rotation: inf}", "{rotation: nan}", "{rotation: 1e400}"),
    *("{rotation: [1]}", "{shear: inf}", "{shear: 90}", "{shear: -1}", "{quarter_turns: 7}"),
    *("{1: 2}", "{null: 1}", "{a: {b: {c: 1}}}", "[]", "[1]", "7", "text", "null", "{hue: nan}"),
    *(
        "{hue: inf}",
        "{hue: [0]}",
        "{hue: null}",
        "{brightness: {}}",
        "{contrast: '1'}",
        "{crops: 0}",
    ),
    *("{crops: []}", "{crops: [nan]}", "{crops: ['a']}", "{crops: [1e9]}", "{crops: 100000}"),
    *("{crops: [20], size: 12345678901234567890}", "{size: 100000}", "{size: 1.5}", "{size: null}"),
    *("{rotate: nan}", "{rotate: inf}", "{centre: []}", "{centre: nan}", "{photometry: 7}"),
    *("{photometry: [1]}", "{photometry: {hue: nan}}", "{photometry: {hue: []}}", "&a [*a]"),
    *(
        "{? [1] : 2}",
        "!!python/object/apply:os.system ['touch pwned']",
        "2024-01-01",
        "!!binary aa",
    ),
]

LONG, LARGE = (
    ("epochs", "steps", "evaluation_steps", "batch", "repeats"),
    ("1000000", "100000", "999999999", "1e9"),
)
"""What takes long by its nature."""

QUICK = ["--epochs", "1", "--steps", "1", "--batch", "2", "--width", "0.05"]
SCENES = ["--crop", "8", "--set", "radius=1", "--set", "evaluation_steps=1"]
VIEW = "{crops: [8], size: 8}"
IMAGES = ["--dataset", "images", "--set", f"x={VIEW}", "--set", f"gx={VIEW}", "--set", "side=8"]
IMAGES += ["--set", "network=B", "--set", "evaluation_steps=1"]
BASES = {
    "iic": [*QUICK, *SCENES],
    "infoseg": [*QUICK, *SCENES, "--method", "infoseg", "--set", "features=8"],
    "deepcluster": [*QUICK, *SCENES, "--method", "deepcluster", "--set", "components=4"],
    "kmeans": [*QUICK, *SCENES[:2], "--method", "kmeans", "--set", "evaluation_steps=1"],
    "images": [*QUICK, *IMAGES],
}


def commands(work: Path, seed: int, count: int) -> list[Case]:
    """So many of all the wrong command lines."""
    _write_odd_files(work)
    rng = random.Random(seed)
    cases = [*_train(), *_verbs(), *_words()]
    rng.shuffle(cases)
    return cases[:count]


def _train() -> list[Case]:
    from iic_tf.train_plan import train_options
    from iic_tf.training.methods.registry import methods

    cases = []
    for option in train_options():
        if option.kind is bool or option.name in ("set", "out"):
            continue
        values = PATHS if option.kind is str else VALUES
        for value in values:
            if not (option.name in LONG and value in LARGE):
                cases.append(_case("iic", option.flag, value))
    cases += [Case(f"train --out {v[:30]!r}", _words_of("iic", v)) for v in PATHS if v != "nowhere"]
    fields = {
        (name, field)
        for method in methods().values()
        for task, recipe in method.recipes.items()
        for field in recipe.model_fields
        for name in [method.name if task == "segmentation" else "images"]
        if method.name == "iic" or task == "segmentation"
    }
    for name, field in sorted(fields):
        for value in VALUES:
            if not (field in LONG and value in LARGE):
                cases.append(_case(name, "--set", f"{field}={value}"))
    for value in NESTED:
        for field in ("geometry", "photometry", "clusters", "classes", "turns"):
            cases.append(_case("iic", "--set", f"{field}={value}"))
        for field in ("x", "gx"):
            cases.append(_case("images", "--set", f"{field}={value}"))
    for text in ("[" * 3000, "{a: " * 1500, "=", "==", "a", "\0=1", "classes", " =2", "x.y=1"):
        cases.append(_case("iic", "--set", text))
        cases.append(_case("iic", "--set", f"geometry={text}"))
    return cases


def _case(base: str, flag: str, value: str) -> Case:
    return Case(f"train ({base}) {flag} {value[:60]!r}", (*_words_of(base, "out"), flag, value))


def _words_of(base: str, out: str) -> tuple[str, ...]:
    # Of a method without values of its own here: those that all have.
    quick = BASES.get(base, [*QUICK, *SCENES[:2], "--method", base])
    return ("train", "--data", "data/images", "--out", out, *quick)


def _verbs() -> list[Case]:
    cases = []
    starts: dict[str, tuple[list[str], dict[str, list[str]]]] = {
        "evaluate": (
            ["evaluate", "run"],
            {
                **{flag: PATHS for flag in ("--data", "--masks", "--class-file")},
                "--folds": VALUES,
                **{flag: GLOBS for flag in ("--image-glob", "--mask-glob")},
            },
        ),
        "predict": (
            ["predict", "run", "data/images", "--out", "out"],
            {
                **{flag: PATHS for flag in ("--masks", "--class-file", "--out")},
                **{flag: GLOBS for flag in ("--image-glob", "--mask-glob")},
            },
        ),
        "export": (
            ["export", "run", "--format", "onnx", "--out", "out"],
            {"--format": TEXTS, "--out": PATHS},
        ),
    }
    for verb, (words, options) in starts.items():
        for flag, values in options.items():
            for value in values:
                name = f"{verb} {flag} {value[:60]!r}"
                cases.append(Case(name, (*words, flag, value)))
        for path in PATHS:
            cases.append(Case(f"{verb} {path[:60]!r}", (verb, path, *words[2:])))
    cases += [
        Case(f"predict run {path[:60]!r}", ("predict", "run", path, "--out", "out"))
        for path in PATHS
    ]
    cases += [Case(f"recipes {path[:60]!r}", ("recipes", path)) for path in PATHS]
    return cases


def _words() -> list[Case]:
    """Words at wrong places."""
    lines = [
        "train",
        "train --out",
        "train --out out",
        "nonsense",
        "--nonsense",
        "train --nonsense",
    ]
    lines += ["train train", "evaluate", "predict run", "export run", "export run --format", "x\0y"]
    lines += ["train --out out --resume", "train --out run --resume --seed 5", "train --out run"]
    lines += [
        "train --set",
        "train --epochs --out out",
        "recipes a b",
        "methods x",
        "datasets -h x",
    ]
    lines += ["evaluate run --folds=", "evaluate run --folds=3=4", "-- train", "train -- --out out"]
    return [Case(line, tuple(line.split(" "))) for line in lines]


def _write_odd_files(work: Path) -> None:
    (work / "notes.txt").write_text("notes")
    (work / "binary.yaml").write_bytes(bytes(range(128, 256)) * 4)
    (work / "deep.yaml").write_text("classes: " + "[" * 3000 + "]" * 3000)
    (work / "list.yaml").write_text("- 1\n- [2, {a: b}]\n")
    (work / "empty.yaml").write_text("")
