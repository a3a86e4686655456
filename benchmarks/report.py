"""`RESULTS.md` from the raw figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cases import Case
from picture import draw
from speed import GRADIENT_TOLERANCE, LOSS_TOLERANCE
from step_speed import TORCH_STEP
from textbook_names import OURS, TENSORFLOW, TORCH, WAYS

from iic_tf.losses.displacement import DIRECT

Entry = dict[str, Any]


def render(data: dict[str, Any], out: Path) -> None:
    """Write `RESULTS.md` and `objective.svg`."""
    entries = sorted(data["objective"].values(), key=lambda e: _order(Case(**e["case"])))
    ran = any(TORCH in times for entry in entries for times in entry["threads"].values())
    baseline = TORCH if ran else TENSORFLOW
    lines = _head(data)
    if entries:
        draw(entries, baseline, out / "objective.svg")
        lines += _objective(data, entries, baseline)
        if any("memory" in entry for entry in entries):
            lines += _memory(data, entries)
    if data["crossover"]:
        lines += _crossover(data)
    if data["step"]:
        lines += _steps(data)
    (out / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _order(case: Case) -> tuple[int, int, int, int]:
    return case.n, case.size, case.radius, case.k


def _head(data: dict[str, Any]) -> list[str]:
    here = data["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in here["versions"].items() if v)
    return [
        "# The objective's speed and memory",
        "",
        "Written by `python benchmarks/objective.py --out benchmarks`; not by hand. Raw figures: "
        "`results.json`. Whoever runs it gets the table of their own machine.",
        "",
        f"Machine: {here['processor']}, {here['cores']} cores, {here['memory_gb']} GB, "
        f"{here['system']}; {versions}; no GPU used. {data['date']}, "
        f"{data['seconds'] / 60:.0f} minutes in all.",
    ]


def _objective(data: dict[str, Any], entries: list[Entry], baseline: str) -> list[str]:
    numbers = sorted({t for entry in entries for t in entry["threads"]}, key=int)
    lines = [
        "",
        "## The objective",
        "",
        "`iic_segmentation_loss(p, q, radius=T)` (uncollapsed, λ = 1, no mask, float32, a "
        "`tf.function` without XLA), forward and backward to both maps, beside the textbook's one "
        "convolution whose kernel is the whole image, in TensorFlow (`tf.nn.conv2d`, padding "
        "inside it or before it, whichever is faster in the case) and in PyTorch (`F.conv2d`).",
        "",
        f"In every case all versions got the same maps; losses agree to {LOSS_TOLERANCE:.0e} "
        f"relative, gradients to {GRADIENT_TOLERANCE:.0e} of their largest entry, else the run "
        "stops. Where no textbook version ran, a slow NumPy reference stands in for 2 pairs "
        "(gradients of the first); for 8 pairs there is no check then. "
        f"Greatest differences met: {_worst(entries)}.",
        "",
        "Each library and number of threads has a process of its own; the versions run in turns "
        "within one run, the others asleep, 50 ms between two runs, so that no waiting thread "
        "spins on another's core. Medians of up to 7 runs after warm-up, a single run where one "
        "takes over 2 s. The textbook is not run where a call is foreseen to take over "
        f"{data['limit']:g} s; for 8 pairs PyTorch's alone, where there is PyTorch (`--full`: "
        "both).",
        "",
        f"Times as fast as the {baseline}, 2 pairs, "
        + " / ".join(f"{t} thread{'s' * (t != '1')}" for t in numbers)
        + " (– not run):",
        "",
    ]
    ks = sorted({entry["case"]["k"] for entry in entries})
    lines += _header(["size, T", *(f"k {k}" for k in ks)])
    rows: dict[str, dict[int, str]] = {}
    for entry in entries:
        case = Case(**entry["case"])
        if case.n == 2:
            ratios = [_ratio(entry["threads"].get(t, {}), baseline) for t in numbers]
            cell = " / ".join(ratios)
            rows.setdefault(f"{case.size}², {case.radius}", {})[case.k] = cell
    lines += [_row([name, *(cells.get(k, "") for k in ks)]) for name, cells in rows.items()]
    lines += ["", "![times as fast as the textbook, against k](objective.svg)"]
    for threads in numbers:
        lines += ["", f"All cases, {threads} thread{'s' * (threads != '1')}, milliseconds:", ""]
        columns = ["pairs", "size", "T", "k", OURS, TENSORFLOW, "ratio", TORCH, "ratio"]
        lines += _header(columns)
        for entry in entries:
            case, times = Case(**entry["case"]), entry["threads"].get(threads)
            if times is None:
                continue
            cells = [f"{case.n}", f"{case.size}²", f"{case.radius}", f"{case.k}"]
            cells.append(_milliseconds(times[OURS]))
            for name in (TENSORFLOW, TORCH):
                cells += [_milliseconds(times.get(name)), _ratio(times, name)]
            lines.append(_row(cells))
    return lines


def _memory(data: dict[str, Any], entries: list[Entry]) -> list[str]:
    lines = [
        "",
        "## Peak memory of the objective",
        "",
        f"{data['machine']['cores']} threads, MB above what was resident before the call (the "
        "kernel's high-water mark of the process, reset before), in processes whose allocators "
        "give freed memory back at once. The maps p and q lie there before and do not count; the "
        "two gradients, each as large as a map, do.",
        "",
        "Ours by the radius T of the window:",
        "",
    ]
    radii = sorted({entry["case"]["radius"] for entry in entries})
    lines += _header(["pairs", "size", "k", "one map", *(f"T {radius}" for radius in radii)])
    rows: dict[tuple[int, int, int], dict[int, str]] = {}
    for entry in entries:
        case = Case(**entry["case"])
        mb = entry.get("memory", {}).get(OURS)
        if mb is not None:
            rows.setdefault((case.n, case.size, case.k), {})[case.radius] = _mb(mb)
    for (n, size, k), by_radius in rows.items():
        one = Case(k, size, 1, n).map_mb
        first = [f"{n}", f"{size}²", f"{k}", f"{one:.1f}"]
        lines.append(_row([*first, *(by_radius.get(radius, "") for radius in radii)]))
    lines += ["", "Beside the textbook, where it was run:", ""]
    lines += _header(["pairs", "size", "T", "k", OURS, TENSORFLOW, "ratio", TORCH, "ratio"])
    for entry in entries:
        case, peaks = Case(**entry["case"]), entry.get("memory", {})
        if len(peaks) < 2:
            continue
        cells = [f"{case.n}", f"{case.size}²", f"{case.radius}", f"{case.k}", _mb(peaks[OURS])]
        for name in (TENSORFLOW, TORCH):
            known = name in peaks
            cells.append(_mb(peaks[name]) if known else "–")
            cells.append(_figure(peaks[name] / max(peaks[OURS], 0.1)) if known else "–")
        lines.append(_row(cells))
    return lines


def _crossover(data: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## Direct or by blocks",
        "",
        "Milliseconds forward and backward, 2 pairs, one thread: direct (a convolution's gradient "
        "with respect to its kernel) / by Fourier transforms of blocks. "
        f"`iic_tf.losses.displacement` goes the direct way up to {DIRECT} displacements, those of "
        f"radius {(math.isqrt(DIRECT) - 1) // 2}: from there on the direct way is ahead only for "
        "some numbers of clusters, and falls behind with the square of the radius.",
        "",
    ]
    cases = [(Case(**e["case"]), e["seconds"]) for e in data["crossover"].values()]
    lines += _header(["size, k", *(f"T {r}" for r in sorted({c.radius for c, _ in cases}))])
    rows: dict[str, list[str]] = {}
    for case, seconds in cases:
        cell = " / ".join(f"{seconds[way] * 1000:.1f}" for way in WAYS)
        rows.setdefault(f"{case.size}², {case.k}", []).append(cell)
    return lines + [_row([name, *cells]) for name, cells in rows.items()]


def _steps(data: dict[str, Any]) -> list[str]:
    steps: dict[str, Any] = data["step"]
    first = next(iter(steps.values()))
    lines = [
        "",
        "## One training step",
        "",
        "Network C at width 1 and one head, both views, "
        f"{first['threads']} threads, medians of {first['runs']} runs, all parts in turns. Parts "
        "are run by themselves, so that they need not add up to the whole step: making a batch of "
        "pairs (`pairs[i]`, views and colours), undoing g (forward and backward), trunk, head and "
        "resizing (forward and backward), the objective (likewise), Adam alone. The whole step is "
        "what `model.fit` compiles, on a ready batch. The step in PyTorch is the same network (as "
        "many parameters: "
        + ", ".join(f"{step['parameters']:,}" for step in steps.values())
        + "), the textbook's objective and Adam, float32, on a ready batch: it makes no views, "
        "which favours it.",
        "",
    ]
    lines += _header(["milliseconds", *steps])
    names = list(dict.fromkeys(name for step in steps.values() for name in step["seconds"]))
    for name in names:
        values = [step["seconds"].get(name) for step in steps.values()]
        lines.append(_row([name, *("–" if v is None else f"{v * 1000:.0f}" for v in values)]))
    ratios: dict[str, list[str]] = {}
    for step in steps.values():
        for name, value in _step_ratios(step["seconds"]).items():
            ratios.setdefault(name, []).append(value)
    lines += [_row([f"**{name}**", *values]) for name, values in ratios.items()]
    return lines


def _step_ratios(seconds: dict[str, float]) -> dict[str, str]:
    beside = sum(seconds[part] for part in ("views", "undo", "objective", "optimiser"))
    whole, half = seconds["step float32"], seconds["step mixed_bfloat16"]
    other = seconds.get(TORCH_STEP)
    return {
        "(views + undo + objective + optimiser) / network, float32": (
            f"{beside / seconds['network float32']:.1%}"
        ),
        "the same, network in mixed_bfloat16": (
            f"{beside / seconds['network mixed_bfloat16']:.1%}"
        ),
        "step float32 / step mixed_bfloat16": f"{whole / half:.2f}",
        "step in PyTorch / step float32": f"{other / whole:.2f}" if other else "–",
        "step in PyTorch / step mixed_bfloat16": f"{other / half:.2f}" if other else "–",
    }


def _worst(entries: list[Entry]) -> str:
    met = [
        found["difference"]
        for entry in entries
        for times in entry["threads"].values()
        for found in times.values()
        if "difference" in found
    ]
    return (
        f"{max(d['loss'] for d in met):.0e} of the loss, "
        f"{max(d['gradient'] for d in met):.0e} of the gradients"
    )


def _ratio(times: dict[str, Any], name: str) -> str:
    if "seconds" not in times.get(name, {}):
        return "–"
    return _figure(times[name]["seconds"] / times[OURS]["seconds"])


def _figure(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"


def _milliseconds(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    if "seconds" not in found:
        return f"not run (predicted {found['foreseen']:.0f} s)"
    value = found["seconds"] * 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _mb(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _header(cells: list[str]) -> list[str]:
    return [_row(cells), "|" + "---|" * len(cells)]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
