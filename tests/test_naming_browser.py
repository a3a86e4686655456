"""The naming page in a browser: what people do on it, and the file that comes of it."""

from dataclasses import replace

import pytest
import yaml
from chromium import OpenPage, needs_chromium, open_browser, until
from page_content import NamedClass, image_content, page_content
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from iic_tf.export.page import naming_page

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from open_browser(tmp_path_factory.mktemp("downloads"))


class Page(OpenPage):
    """A page that is open, by what people see of it."""

    def __init__(self, browser, folder, content):
        self.browser = browser
        self.path = folder / "page.html"
        # Pages from a disk share what the browser keeps, by the name of the run.
        self.path.write_text(naming_page(replace(content, run=folder.name)), encoding="utf-8")
        self.reload()

    def reload(self):
        self.open(self.path.as_uri())

    def keys(self, *keys):
        ActionChains(self.browser, duration=0).send_keys(*keys).perform()

    def control(self, *keys):
        chain = ActionChains(self.browser, duration=0).key_down(Keys.CONTROL)
        chain.send_keys(*keys).key_up(Keys.CONTROL).perform()

    def click_picture(self, row, column):
        """A pixel of the first example, 60 × 80."""
        canvas = self.find("canvas")
        box = canvas.rect
        across = (column + 0.5) / 80 - 0.5
        down = (row + 0.5) / 60 - 0.5
        move = ActionChains(self.browser, duration=0).move_to_element_with_offset(
            canvas, int(across * box["width"]), int(down * box["height"])
        )
        move.click().perform()

    def groups(self):
        """Title and colour of each card."""
        script = (
            "return [...document.querySelectorAll('.card')].map(card => ["
            "card.querySelector('.label').textContent, card.style.getPropertyValue('--colour')])"
        )
        return [tuple(pair) for pair in self.browser.execute_script(script)]

    def titles(self):
        return [title for title, _ in self.groups()]

    def name(self, words):
        field = self.find("name")
        self.browser.execute_script("arguments[0].select()", field)
        field.send_keys(words, Keys.ENTER)

    def download(self):
        return super().download("download", "classes.yaml")


def test_from_clusters_to_a_file(browser, tmp_path):
    page = Page(browser, tmp_path, page_content())
    assert page.titles() == ["Cluster 0", "Cluster 1", "Cluster 2", "Cluster 3"]
    assert page.text("progress") == "0 of 4 clusters named, 0 % of the pixels"
    assert "1 of them never occur" in page.text("what")

    # A file of no classes is none.
    page.press("download")
    assert "at least two classes" in page.text("status")
    assert not (browser.downloads / "classes.yaml").exists()

    # The lower left quarter is cluster 2.
    page.click_picture(50, 10)
    assert page.text("editor-title") == "Cluster 2"
    page.name("forest")
    # Enter went on to the next without a name.
    assert page.text("editor-title") == "Cluster 3"
    page.click_picture(2, 2)
    assert page.text("status") == "No data there."
    page.click_picture(10, 60)
    page.name("road")
    assert page.text("progress") == "2 of 4 clusters named, 50 % of the pixels"

    # Colours: of the class, in the list and on the picture.
    page.set(page.find("opacity"), 100)
    page.click_picture(50, 10)
    page.set(page.find("colour"), "#102030")
    assert ("forest", "#102030") in page.groups()
    until(lambda: page.pixel(45, 20) == [16, 32, 48])

    # Merging along the tree: 3 is beside {2, 4}, of which 4 never occurs.
    page.press("merge")
    assert page.titles() == ["Cluster 0", "forest", "road"]
    assert page.text("progress") == "3 of 4 clusters named, 60 % of the pixels"
    until(lambda: page.pixel(45, 60) == [16, 32, 48])
    page.control("z")
    assert page.titles() == ["Cluster 0", "road", "forest", "Cluster 3"]
    page.control("y")
    assert page.titles() == ["Cluster 0", "forest", "road"]
    found = yaml.safe_load(page.download().read_text(encoding="utf-8"))
    assert found == {
        "head": "overclustering",
        "classes": {
            "road": {"number": 1, "show": "#e69f00", "clusters": [1]},
            "forest": {"number": 0, "show": "#102030", "clusters": [2, 3, 4]},
        },
        "guessed": [],
    }
    assert "1 cluster without a name" in page.text("status")
    assert page.faults() == []


def test_the_slider_leaves_named_groups_alone(browser, tmp_path):
    page = Page(browser, tmp_path, page_content())
    slider = page.find("groups")
    page.set(slider, 2)
    assert page.titles() == ["Clusters 0, 1", "Clusters 2, 3"]
    page.click_picture(50, 10)
    page.name("wood")
    page.set(slider, 4)
    assert page.titles() == ["Cluster 0", "wood", "Cluster 1"]
    assert page.text("groups-out") == "3, cut at 4"
    # Splitting by hand keeps the name on both parts, until one gets another.
    page.click_picture(50, 60)
    page.press("split")
    assert page.titles() == ["Cluster 0", "Cluster 1", "wood", "wood"]
    page.click_picture(50, 60)
    page.name("  roof ")
    page.set(slider, 2)
    assert page.titles() == ["Clusters 0, 1", "wood", "roof"]
    for _ in range(4):
        page.press("undo")
    assert page.titles() == ["Clusters 0, 1", "wood"]
    # All there is to undo, one step each.
    for _ in range(2):
        page.press("undo")
    assert not page.find("undo").is_enabled()
    assert page.titles() == ["Cluster 0", "Cluster 1", "Cluster 2", "Cluster 3"]


NAMES = ["a: b # c", "über \"quoted\" \\ 'x'", "- {null}, [yes]", "__proto__", "森 🌲"]


def test_any_name_comes_back_from_the_file(browser, tmp_path):
    classes = [NamedClass("null", "#000001", (0,)), NamedClass("1", "#000002", (1, 2, 3), 1)]
    page = Page(browser, tmp_path, page_content(classes=classes))
    assert page.titles() == ["null", "1", "1"]
    for name in NAMES:
        field = page.browser.find_elements(By.CSS_SELECTOR, "#classes input[type=text]")[0]
        page.set(field, name)
        path = page.download()
        found = yaml.safe_load(path.read_text(encoding="utf-8"))["classes"]
        assert {name: found[name]["clusters"] for name in found} == {name: [0], "1": [1, 2, 3, 4]}
        assert [found[name]["number"], found["1"]["number"]] == [0, 1]

        # Loaded again, after all was taken away.
        page.press("unname")
        page.give(path)
        until(lambda: "Loaded 2 classes" in page.text("status"))
        assert page.titles() == [name, "1", "1"]
        page.browser.execute_script("document.getElementById('status').textContent = ''")
    other = tmp_path / "other.yaml"
    for text, message in [
        ("head: main\nclasses:\n", "head “overclustering”"),
        ("head: overclustering\nsizes: [1]\n", "received the line “sizes: [1]”"),
        (path.read_text(encoding="utf-8").replace("[0]", "[7]"), "clusters 0 to 4 once"),
    ]:
        other.write_text(text, encoding="utf-8")
        page.find("file").send_keys(str(other))
        until(lambda message=message: message in page.text("status"))
    assert page.titles() == [NAMES[-1], "1", "1"]


def test_work_is_kept_and_places_are_found(browser, tmp_path):
    page = Page(browser, tmp_path, page_content())
    page.browser.find_element(By.CSS_SELECTOR, ".place").click()
    assert page.text("editor-title") == "Cluster 3"
    assert len(page.browser.find_elements(By.CSS_SELECTOR, ".pin")) == 1
    page.name("roof")
    # A joint of the tree: a name there makes one group of all below it.
    joint = page.browser.find_element(By.CSS_SELECTOR, '.spot[data-node="5"] .reach')
    ActionChains(page.browser, duration=0).move_to_element(joint).click().perform()
    assert page.text("editor-title") == "2 groups together"
    page.name("ground")
    assert page.titles() == ["ground", "Cluster 2", "roof"]
    # By the list's keyboard.
    page.browser.find_element(By.CSS_SELECTOR, ".card").click()
    page.keys(Keys.ARROW_RIGHT)
    assert page.text("editor-title") == "Cluster 2"
    assert "roof" in page.text("editor-hint")
    page.reload()
    assert page.titles() == ["ground", "Cluster 2", "roof"]
    assert "before in this browser" in page.text("status")
    assert page.faults() == []


def test_whole_images_are_a_gallery(browser, tmp_path):
    page = Page(browser, tmp_path, image_content())
    assert not page.find("viewer").is_displayed()
    thumbs = page.browser.find_elements(By.CSS_SELECTOR, ".thumb")
    assert len(thumbs) == 10
    thumbs[6].click()
    assert page.text("editor-title") == "Cluster 2"
    page.name("cats")
    page.name("dogs")
    assert page.text("progress") == "2 of 4 clusters named, 32 % of the images"
    found = yaml.safe_load(page.download().read_text(encoding="utf-8"))
    assert found["head"] == "main"
    assert {name: one["clusters"] for name, one in found["classes"].items()} == {
        "cats": [2],
        "dogs": [3],
    }
    assert page.faults() == []
