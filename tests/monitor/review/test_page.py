"""The page: what it tells and does not tell, and how its keys work in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from judged_log import data_of, picture

from brightfield.monitor.review.page import Card, render

CARDS = [
    Card(f"item{i}", picture(i, i % 2 == 0), heat=picture(99, False) if i == 0 else None) for i in range(4)
]


def page_in(folder: Path, *, types: tuple[str, ...] = ("crack", "pit")) -> Path:
    path = folder / "review.html"
    path.write_text(render("page7", CARDS, normal="OK", types=types), encoding="utf-8")
    return path


def test_the_page_holds_its_pictures_and_loads_nothing() -> None:
    html = render("page7", CARDS, normal="OK", types=["pit"])
    assert html.count("data:image/png;base64,") == 5
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", html)
    assert "default-src 'none'" in html


def test_the_page_tells_of_a_picture_no_more_than_its_name_and_pixels(tmp_path: Path) -> None:
    data = data_of(page_in(tmp_path))
    assert data.keys() == {"page", "normal", "types", "ask", "items"}
    assert {frozenset(item) for item in data["items"]} == {frozenset(("id", "picture", "heat"))}


def test_names_of_classes_cannot_end_the_script(tmp_path: Path) -> None:
    path = page_in(tmp_path, types=("</script><b>", "größe"))
    assert data_of(path)["types"] == ["</script><b>", "größe"]
    assert "</script><b>" not in path.read_text(encoding="utf-8")


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: chromium)")


def begin(browser: Browser, page: Path, name: str = "Ada L.") -> None:
    browser.open(page.as_uri())
    browser.run("document.getElementById('by').focus()")
    browser.run("document.getElementById('by').value = ''")
    browser.write(name)
    browser.press("Enter")
    browser.wait("!document.getElementById('work').hidden")


def looks_of(browser: Browser) -> list[str | None]:
    return [look["truth"] for look in json.loads(browser.run("file()"))["looks"]]


@needs_browser
@pytest.mark.slow
def test_keys_judge_undo_and_save(tmp_path: Path) -> None:
    page = page_in(tmp_path)
    with Browser(tmp_path) as browser:
        begin(browser, page)
        assert browser.run("document.getElementById('overlay').hidden"), "heat is hidden at first"
        browser.press("h")
        assert not browser.run("document.getElementById('overlay').hidden")
        browser.press("1")
        assert browser.run("document.getElementById('overlay').hidden"), "the next picture begins without"
        browser.press("2", "2", "0")
        assert looks_of(browser) == ["OK", "pit", None]
        browser.press("u")
        assert looks_of(browser) == ["OK", "pit"]
        browser.press("ArrowLeft", "1")  # the second picture again: it is good after all
        assert looks_of(browser) == ["OK", "OK"]
        browser.press("2")
        browser.run("document.getElementById('named').focus()")
        browser.write("rust")
        browser.press("Enter")
        assert looks_of(browser) == ["OK", "OK", "rust"]
        browser.press("1")
        assert not browser.run("document.getElementById('end').hidden"), "all are judged"
        browser.click("#end-save")
        file = browser.downloads / "review-page7-ada-l.json"
        for _ in range(100):
            if file.exists():
                break
            browser.run("new Promise(r => setTimeout(r, 50))")
        document = json.loads(file.read_text(encoding="utf-8"))
        assert browser.asked_for() == [page.as_uri()]
    assert (document["page"], document["by"], document["schema"]) == ("page7", "Ada L.", 1)
    assert [look["item"] for look in document["looks"]] == ["item0", "item1", "item2", "item3"]
    assert [look["heat"] for look in document["looks"]] == [True, False, False, False]
    assert all(look["seconds"] >= 0 and look["at"].endswith("Z") for look in document["looks"])


@needs_browser
@pytest.mark.slow
def test_a_page_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    page = page_in(tmp_path)
    with Browser(tmp_path) as browser:
        begin(browser, page)
        browser.press("1", "1")
        browser.run("window.onbeforeunload = null; state.saved = JSON.stringify(state.looks)")
        browser.open(page.as_uri())
        assert browser.run("document.getElementById('by').value") == "Ada L."
        begin(browser, page)
        assert looks_of(browser) == ["OK", "OK"]
        assert browser.run("document.getElementById('count').textContent") == "3 of 4, 2 done"


@needs_browser
@pytest.mark.slow
def test_people_who_share_a_device_see_and_sign_their_own_answers_alone(tmp_path: Path) -> None:
    page = page_in(tmp_path)
    leave = "window.onbeforeunload = null; state.saved = JSON.stringify(state.looks)"
    with Browser(tmp_path) as browser:
        begin(browser, page)
        browser.press("1", "1")
        browser.run(leave)
        begin(browser, page, "Bob")
        assert looks_of(browser) == []
        browser.press("0")
        assert json.loads(browser.run("file()"))["by"] == "Bob"
        browser.run(leave)
        begin(browser, page)
        assert looks_of(browser) == ["OK", "OK"]
        assert json.loads(browser.run("file()"))["by"] == "Ada L."


@needs_browser
@pytest.mark.slow
def test_fingers_judge_on_a_tablet(tmp_path: Path) -> None:
    page = page_in(tmp_path)
    with Browser(tmp_path, width=820, height=1180, touch=True) as browser:
        begin(browser, page)
        browser.click("#defect")
        browser.click("#list button:nth-child(1)")
        browser.click("#unsure")
        browser.click("#in")
        assert looks_of(browser) == ["crack", None]
        wide = "[...document.querySelectorAll('.main button')].map(b => b.getBoundingClientRect().height)"
        assert min(browser.run(wide)) >= 48, "large enough for a finger"
        assert browser.run("document.documentElement.scrollWidth") <= 820


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("n", [30, 120, 500])
@pytest.mark.parametrize("size", [(1280, 800), (500, 800)])
def test_pages_of_any_length_fit_the_window(tmp_path: Path, n: int, size: tuple[int, int]) -> None:
    cards = [Card(f"item{i}", picture(i, i % 2 == 0)) for i in range(n)]
    page = tmp_path / "review.html"
    page.write_text(render("page7", cards, normal="OK", types=["pit"]), encoding="utf-8")
    with Browser(tmp_path, width=size[0], height=size[1]) as browser:
        begin(browser, page)
        browser.press("1", "2", "0")
        outside = (
            "[...document.querySelectorAll('#work button, #steps, #steps *, #stage, #picture')].filter(e => {"
            "const b = e.getBoundingClientRect(); return b.width > 0 && (b.left < 0 || b.right > innerWidth"
            " || b.top < 0 || b.bottom > innerHeight); }).length"
        )
        assert browser.run("[innerWidth, innerHeight]") == list(size)
        assert browser.run(outside) == 0
        assert browser.run("document.getElementById('save').getBoundingClientRect().width") > 30
        steps = browser.run("document.getElementById('steps').getBoundingClientRect().toJSON()")
        # a click in the middle of the strip opens the picture in the middle
        x, y = steps["left"] + steps["width"] * (n // 2 + 0.5) / n, steps["top"] + steps["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        assert browser.run("state.at") == pytest.approx(n // 2, abs=2)  # a pixel is up to two pictures wide
        assert looks_of(browser) == ["OK", "pit", None]
