"""An evaluation in a notebook: its figures and charts, escaped, with ids of its own."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from brightfield.data.dataset import Dataset
from brightfield.decide.operating_point import OperatingPoint
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.run import Evaluation
from brightfield.evaluation.summary import summarise
from brightfield.report.notebook import evaluation_html

VOID = {"meta", "input", "img", "br", "link", "hr"}


class Element(HTMLParser):
    """What a test asks of HTML: tags closed in order, ids, what refers to them, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.labels += [str(value) for name, value in attrs if name == "aria-label"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [str(value) for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def predictions(normal: str | None, seed: int = 0) -> Predictions:
    """Ten good parts, of which one is rejected, and ten with a pit, of which two pass."""
    chance = np.array([0.1] * 9 + [0.8] + [0.9] * 8 + [0.2] * 2) + seed / 100
    truth = ("OK",) * 10 + ("pit",) * 10
    called = tuple("pit" if p >= 0.5 else "OK" for p in chance)
    return Predictions(
        images=tuple(f"{i}.png" for i in range(20)),
        truth=truth,
        splits=("test",) * 20,
        decisions=tuple(None if normal is None else "OK" if c == "OK" else "DEFECT" for c in called),
        labels=called,
        scores=np.log(chance / (1 - chance)),
        probabilities=None if normal is None else chance,
        p_values=None,
        thresholds=None if normal is None else np.full(20, 0.5),
        class_probabilities=np.stack([1 - chance, chance], 1),
        classes=("OK", "pit"),
        normal=normal,
    )


def shown(normal: str | None = "OK", seed: int = 0, title: str = "parts") -> str:
    found = predictions(normal, seed)
    point = {} if normal is None else OperatingPoint("fixed=0.5", 0.5, 20, 10, 2, 1).as_dict()
    return evaluation_html(title, found, summarise(found, operating_point=point), ["two <b>notes</b>"])


def test_key_figures_are_shown_in_the_words_of_the_report() -> None:
    page = Element(shown())
    for said in ("20 images of the test split", "2 of them defective: escapes", "1 of them good: overkill"):
        assert said in page.words
    assert "Escape rate 20.0%" in page.words
    assert "Overkill rate 10.0%" in page.words
    assert "Accuracy 0.850" in page.words
    assert "two <b>notes</b>" in page.words, "what the data say is escaped"
    assert "b" not in page.tags


def test_an_evaluation_shows_itself() -> None:
    found = predictions("OK")
    point = OperatingPoint("fixed=0.5", 0.5, 20, 10, 2, 1).as_dict()
    dataset = Dataset("parts", (), ("OK", "pit"), "OK")
    made = Evaluation(found, summarise(found, operating_point=point), dataset, ("two <b>notes</b>",), ())
    assert made._repr_html_() == shown()


def test_the_charts_are_those_of_the_report() -> None:
    names = [label.split()[0] for label in Element(shown()).labels]
    assert names == ["ROC", "Precision-recall", "Calibration", "Histogram"]
    plain = Element(shown(None))
    assert [label.split()[0] for label in plain.labels] == ["Calibration"]
    assert "truth OK pit OK 9 1 pit 2 8" in plain.words, "the confusion matrix of classes"


def test_several_evaluations_on_a_page_share_no_id_and_no_style() -> None:
    one, two = shown(seed=0), shown(seed=1)
    ids = set(Element(one).ids)
    assert ids
    assert not ids & set(Element(two).ids)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', one))
    assert used <= ids
    styles = re.findall(r"<style[^>]*>(.*?)</style>", one, re.DOTALL)
    rules = [rule for style in styles for rule in re.findall(r"([^{}]+)\{[^}]*\}", style)]
    assert len(rules) > len(styles) == 5
    assert all(
        part.strip().startswith(".brightfield-evaluation") for rule in rules for part in rule.split(",")
    )


@pytest.mark.parametrize("hostile", ["</div><script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_a_title_cannot_leave_its_element(hostile: str) -> None:
    page = Element(shown(title=hostile))
    assert hostile in page.words
    assert not {"script", "img"} & set(page.tags)
