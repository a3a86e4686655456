"""Sections of a report: what was trained on what, and how."""

from __future__ import annotations

import re

from iic_tf.annotations import Json
from iic_tf.export.report.charts import colour, key, loss_chart, share_chart
from iic_tf.export.report.kept import Kept
from iic_tf.export.report.markup import Html, facts, joined, missing, percent, section, tag

_LOSS = "Loss by epoch"


def data_section(kept: Kept) -> Html:
    """The data set, as the run knows it."""
    config = kept.config
    source = config.get("source", {})
    rows: list[tuple[object, object]] = [("data set", source.get("dataset", "not recorded"))]
    if source.get("data"):
        rows.append(("folder", source["data"]))
    rows.append(("images", config.get("images", "not recorded")))
    sizes = _sizes(config)
    if sizes:
        rows.append(("size, height × width in pixels", sizes))
    rows.append(("bands", _bands(config, source)))
    if "low" in config:
        ranges = [f"{a:g} to {b:g}" for a, b in zip(config["low"], config["high"], strict=False)]
        rows.append(("values taken as dark to bright, by band", "; ".join(ranges)))
    size = config.get("resolution")
    if not kept.whole_images:
        scale = kept.recipe.get("downscale", 1)
        ground = "not known: the images do not say where they lie"
        if "resolution" not in config:
            ground = "not recorded"
        if size:
            ground = f"{size:.3g} m" + (f"; the network saw {size * scale:.3g} m" * (scale != 1))
        rows.append(("a pixel on the ground", ground))
        rows.append(("scaled down for the network", f"1/{scale}" if scale != 1 else "no"))
        rows.append(("no data", _no_data(kept)))
    rows.append(("labels in training", _labels(kept)))
    digest = config.get("data", {}).get("images", {}).get("sha256")
    if digest:
        rows.append(("names and sizes of the images, SHA-256", tag("code", digest)))
    return section("What it was trained on", facts("The data", rows))


def _sizes(config: Json) -> str:
    files = config.get("data", {}).get("images", {}).get("files", {})
    found = {m[0] for text in files.values() if (m := re.search(r"\d+×\d+", str(text)))}
    if not found and "height" in config:
        found = {f"{config['height']}×{config['width']}"}
    order = sorted(found, key=lambda text: [int(n) for n in text.split("×")])
    return ", ".join(order) if len(order) <= 3 else f"{order[0]} to {order[-1]}"


def _bands(config: Json, source: Json) -> str:
    channels = config.get("channels", "not recorded")
    return f"{channels} (of the files: {source['bands']})" if source.get("bands") else f"{channels}"


def _no_data(kept: Kept) -> str:
    seen = kept.found
    if "no_data" not in seen:
        return "not recorded: a run of an older version, or one that is not finished"
    return f"{percent(seen['no_data'])} of {seen.get('windows')} windows drawn from all images"


def _labels(kept: Kept) -> str:
    if (kept.run.folder / "fine_tuned.keras").is_file():
        return "none in training; some afterwards, to fine-tune the named classes"
    if kept.recipe.get("masks"):
        return "none; masks only said which pixels are left out"
    return "none"


def training_section(kept: Kept) -> Html:
    """The method with its course: curves and shares."""
    recipe = kept.recipe
    done, asked = len(kept.rows), recipe.get("epochs")
    rows: list[tuple[object, object]] = [
        ("method", recipe.get("method", "iic")),
        ("recipe", recipe.get("name", "not recorded")),
        ("groups asked for", recipe.get("classes", "not recorded")),
        ("epochs done", f"{done} of {asked}" if asked else done),
        ("steps of an epoch, pairs of a step", f"{recipe.get('steps')}, {recipe.get('batch')}"),
        ("seed of chance", kept.config.get("seed", "not recorded")),
    ]
    best = [row for row in kept.rows if row.get("best") == 1.0]
    if best:
        rows.append(("epoch whose model is kept", f"{best[-1].get('epoch'):.0f}"))
    return section(
        "How it was trained", facts("The training", rows), *_course(kept), *_shares(kept)
    )


def _course(kept: Kept) -> list[Html]:
    if not kept.rows or not kept.heads:
        return [missing("No epoch was finished, so that there is no curve yet")]
    epochs = kept.series("epoch")
    series = {head: kept.series(f"{head}_loss") for head in kept.heads}
    bounds = {head: kept.series(f"{head}_bound")[-1] for head in kept.heads}
    told = [
        f"{head}: {bound:.3f}".replace("-", "−") for head, bound in bounds.items() if bound == bound
    ]
    told = [text for text in told if "inf" not in text]
    lowest = f"Dashed is the lowest value possible ({', '.join(told)})." if told else (
        "This loss has no lowest value."
    )  # fmt: skip
    if kept.recipe.get("method", "iic") == "iic":
        lowest += (
            " It is −ln k for k groups where λ is 1: two views of a place then tell everything of "
            "each other. At 0 nothing was learned."
        )
    ink = [(head, colour(i)) for i, head in enumerate(series)]
    chart = loss_chart(_LOSS, epochs, series, bounds)
    words = tag("figcaption", "The loss that training lowers, by epoch. ", lowest)
    return [tag("h3", _LOSS), tag("figure", chart, key(ink), words)]


def _shares(kept: Kept) -> list[Html]:
    parts: list[Html] = []
    for head in kept.heads:
        names = [name for name in kept.rows[-1] if name.startswith(f"{head}_share_")]
        shares = [[v if v == v else 0.0 for v in kept.series(name)] for name in names]
        if not shares:
            continue
        title = f"Shares of the {len(shares)} groups of the {head} head by epoch"
        last = [column[-1] for column in shares]
        told = (
            "Even bands are even groups; one band that fills the height is a collapse. Last epoch: "
            f"the largest group has {percent(max(last))}, the smallest {percent(min(last))}."
        )
        inner: list[object] = [share_chart(title, kept.series("epoch"), shares)]
        if len(shares) <= 24:
            inner.append(key([(f"group {i}", colour(i)) for i in range(len(shares))]))
        parts += [tag("h3", title), tag("figure", joined(inner), tag("figcaption", told))]
    return parts
