"""One HTML file on which clusters are named by hand."""

from __future__ import annotations

import hashlib
import html
import json
import re
from importlib import resources
from typing import Any

import numpy as np

from iic_tf.annotations import Json
from iic_tf.export.page.checks import check_content
from iic_tf.export.page.content import Example, PageCluster, PageContent, Suggestion
from iic_tf.export.page.encode import deflated, jpeg, strip, veil
from iic_tf.export.page.style import base_style

GROUPS = 12
"""A page begins with at most so many groups of clusters."""

_SCRIPTS = (
    "tree",
    "state",
    "yaml",
    "pictures",
    "editor",
    "groups",
    "dendrogram",
    "places",
    "storage",
    "main",
)


def naming_page(content: PageContent) -> str:
    """Make the page: images, label maps, styles and scripts all in one text.

    It opens from a disk, asks no server for anything, and offers a `classes.yaml` to save, for
    `iic-tf label --names`.

    Args:
        content: what it shows.

    Returns:
        HTML, to be written as UTF-8.

    Raises:
        InputError: the content contradicts itself.
    """
    check_content(content)
    parts = {
        "title": html.escape(f"{content.run}: name the clusters"),
        "style": f"{base_style()}\n{_asset('page.css')}",
        "content": _json_for_html(_described(content)),
        "script": "\n".join(_asset(f"{name}.js") for name in _SCRIPTS),
    }
    # In one pass: what is put in is not looked through again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return (resources.files("iic_tf.export.page") / "assets" / name).read_text(encoding="utf-8")


def _json_for_html(value: Any) -> str:
    """JSON in which nothing ends a script or begins a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _described(content: PageContent) -> Json:
    alive = sum(cluster.share > 0 for cluster in content.clusters)
    guessed = {int(cluster) for cluster in content.guessed}
    known = {
        "run": content.run,
        "head": content.head,
        "model": content.model,
        "merges": np.asarray(content.tree.merges).tolist(),
        "classes": [
            {
                "name": one.name,
                "number": int(one.number),
                "colour": one.colour.lower(),
                "clusters": [int(c) for c in one.clusters if int(c) not in guessed],
            }
            for one in content.classes
        ],
    }
    return {
        **known,
        # Names kept by the browser belong to these clusters alone.
        "key": hashlib.sha256(json.dumps(known).encode()).hexdigest()[:20],
        "losses": [float(loss) for loss in content.tree.losses],
        "groups": content.groups or max(2, min(alive, GROUPS)),
        "unit": content.unit,
        "command": content.command,
        "notes": list(content.notes),
        "clusters": [_cluster(cluster) for cluster in content.clusters],
        "examples": [_example(example) for example in content.examples],
        "suggestions": [_suggestion(place) for place in content.suggestions],
    }


def _cluster(cluster: PageCluster) -> Json:
    crops = cluster.crops
    return {
        "share": float(cluster.share),
        "colour": cluster.colour.lower(),
        "crops": len(crops),
        "strip": strip(crops) if crops else None,
        "veil": veil(crops) if crops else None,
    }


def _example(example: Example) -> Json:
    height, width = example.rgb.shape[:2]
    return {
        "name": example.name,
        "width": width,
        "height": height,
        "image": jpeg(example.rgb),
        "labels": None if example.labels is None else deflated(example.labels),
        "cluster": None if example.cluster is None else int(example.cluster),
    }


def _suggestion(place: Suggestion) -> Json:
    return {
        "image": place.image,
        "row": int(place.row),
        "column": int(place.column),
        "cluster": int(place.cluster),
        "reason": place.reason,
        "example": None if place.example is None else int(place.example),
        "at": None if place.at is None else [int(place.at[0]), int(place.at[1])],
        "crop": None if place.crop is None else jpeg(place.crop),
    }
