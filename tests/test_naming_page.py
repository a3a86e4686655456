import base64
import io
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from page_content import NamedClass, Tree, image_content, label_map, page_content
from PIL import Image

from iic_tf.errors import InputError
from iic_tf.export.page import Crop, Example, PageCluster, Suggestion, naming_page
from iic_tf.export.page.encode import CROP, veil

VOID = {"meta", "input", "link", "img", "br"}


class Parsed(HTMLParser):
    """Elements that are closed in the order in which they were opened, and the texts in scripts."""

    def __init__(self, page):
        super().__init__()
        self.open, self.scripts, self.ids, self.links = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [v for k, v in attrs if k in ("src", "href", "srcset", "action")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def shown(content):
    page = naming_page(content)
    return json.loads(Parsed(page).scripts[0])


def image_of(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGBA"))


def test_the_page_is_whole_and_asks_nobody():
    page = naming_page(page_content())
    parsed = Parsed(page)
    assert page.startswith("<!doctype html>")
    assert "{{" not in page.replace(parsed.scripts[0], "").replace(parsed.scripts[1], "")
    assert len(parsed.scripts) == 2
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.links == []
    # Whatever the script asks for by its id is there.
    assert set(re.findall(r'\bel\("([\w-]+)"\)', parsed.scripts[1])) <= set(parsed.ids)
    assert "default-src 'none'" in page
    # But for the name of the SVG language, no address.
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}


def test_label_maps_are_exact():
    found = shown(page_content())["examples"]
    raw = zlib.decompress(base64.b64decode(found[0]["labels"]))
    assert (found[0]["width"], found[0]["height"]) == (80, 60)
    np.testing.assert_array_equal(np.frombuffer(raw, np.uint8).reshape(60, 80), label_map())


def test_pictures_are_seen_as_they_are():
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[:, :30] = 200, 100, 50
    labels = np.zeros((40, 60), np.uint8)
    found = shown(page_content(examples=[Example("a", rgb, labels)], suggestions=[]))
    np.testing.assert_allclose(image_of(found["examples"][0]["image"])[..., :3], rgb, atol=24)
    assert found["clusters"][0]["crops"] == 2
    assert image_of(found["clusters"][0]["strip"]).shape[:2] == (CROP, 2 * CROP)
    assert found["clusters"][4]["strip"] is None


def test_a_veil_leaves_the_cluster_clear():
    mask = np.zeros((CROP, CROP), np.bool_)
    mask[10:20, 30:50] = True
    rgb = np.zeros((CROP, CROP, 3), np.uint8)
    alpha = image_of(veil([Crop(rgb), Crop(rgb, mask)]))[..., 3]
    assert (alpha[:, :CROP] == 0).all()
    own = alpha[:, CROP:]
    np.testing.assert_array_equal(own == 0, mask)
    # The line lies around the cluster, above, below, left and right of it.
    assert (own == 235).sum() == 2 * 10 + 2 * 20
    assert veil([Crop(rgb)]) is None


def test_what_the_page_begins_with():
    classes = [NamedClass("road", "#3C1098", (0, 3)), NamedClass("wood", "#2e8b57", (1,))]
    found = shown(page_content(classes=classes, guessed=[3]))
    assert found["classes"] == [
        {"name": "road", "number": 0, "colour": "#3c1098", "clusters": [0]},
        {"name": "wood", "number": 0, "colour": "#2e8b57", "clusters": [1]},
    ]
    assert found["merges"] == [[0, 1], [2, 4], [3, 6], [5, 7]]
    assert found["suggestions"][0]["at"] == [40, 70]
    assert shown(page_content(groups=None))["groups"] == 4  # the fifth never occurs


def test_names_are_kept_apart_by_run_and_tree():
    key = shown(page_content())["key"]
    assert key == shown(page_content(suggestions=[]))["key"]
    other = Tree(merges=np.array([[0, 2], [1, 4], [3, 6], [5, 7]]))
    assert key != shown(page_content(run="other"))["key"]
    assert key != shown(page_content(tree=other))["key"]


@pytest.mark.parametrize("name", ["</script><img src=x>", "<!--<script>", "{{script}} & \u2028"])
def test_no_name_breaks_out(name):
    content = page_content(
        run=name,
        classes=[NamedClass(name, "#000001", (0,))],
        notes=[name],
        suggestions=[Suggestion(name, 0, 0, 1, name)],
    )
    parsed = Parsed(naming_page(content))
    assert len(parsed.scripts) == 2
    assert parsed.links == []
    found = json.loads(parsed.scripts[0])
    assert found["run"] == found["classes"][0]["name"] == found["notes"][0] == name
    assert found["suggestions"][0]["image"] == name


def test_whole_images_have_no_label_maps():
    found = shown(image_content())
    assert found["examples"][5]["labels"] is None
    assert found["examples"][5]["cluster"] == 1
    assert found["clusters"][0]["veil"] is None


def test_many_clusters_stay_small():
    rng = np.random.default_rng(1)
    k = 48
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    clusters = [PageCluster(1 / k, "#123456", [Crop(noise, noise[..., 0] > 99)] * 6)] * k
    labels = rng.integers(0, k, (512, 512)).astype(np.uint8)
    smooth = np.kron(rng.integers(0, 256, (64, 64, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    merges = np.array([[0, 1]] + [[n, k + n - 2] for n in range(2, k)])
    content = page_content(
        clusters=clusters,
        tree=Tree(merges, np.linspace(0, 1, k - 1)),
        examples=[Example("noise", smooth, labels)] * 8,
        suggestions=[],
    )
    # Crops and maps of noise are the most that there can be.
    assert len(naming_page(content)) < 8e6


RGB = np.zeros((4, 4, 3), np.uint8)
LABELS = np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"groups": 1}, "2 to 5 groups"),
        ({"unit": "dots"}, "pixels or images"),
        ({"tree": Tree(merges=np.array([[0, 1], [2, 4]]))}, "merges of shape"),
        ({"tree": Tree(merges=np.array([[0, 1], [2, 4], [0, 6], [5, 7]]))}, "into one"),
        ({"tree": Tree(merges=np.array([[0, 6], [2, 4], [3, 1], [5, 7]]))}, "into one"),
        ({"tree": Tree(losses=np.array([0, 0, 0, np.nan]))}, "4 finite losses"),
        ({"clusters": [PageCluster(1.0, "#ffffff")]}, "2 to 255 clusters"),
        ({"classes": [NamedClass("a", "red", (0,))]}, "a colour #rrggbb"),
        ({"classes": [NamedClass("a", "#000000", (5,))]}, "a number of 0 to 4"),
        ({"classes": [NamedClass(n, "#000000", (1,)) for n in "ab"]}, "one class at most"),
        ({"classes": [NamedClass("a", "#000000", (n,)) for n in (0, 1)]}, "a name of its own"),
        ({"examples": [Example("a", RGB)]}, "labels, or a cluster"),
        ({"examples": [Example("a", RGB, LABELS[:2])]}, r"uint8 labels of shape \(4, 4\)"),
        ({"examples": [Example("a", RGB, LABELS + np.uint8(5))]}, "labels 0 to 4, or 255"),
        ({"examples": [Example("a", RGB[..., :2], LABELS)]}, r"uint8 \[h, w, 3\]"),
        ({"suggestions": [Suggestion("a", 0, 0, 0, "", 0, (60, 0))]}, "a place within 60 × 80"),
        ({"suggestions": [Suggestion("a", 0, 0, 0, "", 0)]}, "together with"),
    ],
)
def test_content_that_does_not_fit_is_refused(other, message):
    with pytest.raises(InputError, match=f"Expected .*{message}.*; received "):
        naming_page(page_content(**other))


def test_masks_of_crops_have_their_shape():
    content = page_content()
    wrong = [replace(content.clusters[0], crops=[Crop(RGB, np.zeros((2, 2), np.bool_))])]
    with pytest.raises(InputError, match=r"a mask of shape \(4, 4\)"):
        naming_page(replace(content, clusters=[*wrong, *content.clusters[1:]]))
