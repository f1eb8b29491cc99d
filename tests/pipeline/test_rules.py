"""Rules and the size of a pixel, from `train` to the bundle, and through an update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fake_method
import pytest

import brightfield
from brightfield.decide.rules_file import read_rules
from brightfield.errors import ConfigError
from brightfield.inspector import Inspector
from brightfield.options import make_options
from brightfield.pipeline.compare import compare
from brightfield.pipeline.workspace import workspace_of


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[str]:
    with fake_method.registered() as name:
        yield name


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, make_spots: Callable[..., Path]) -> Path:
    """24 good parts and 12 with a pit, in class folders."""
    folder = make_spots(tmp_path_factory.mktemp("data") / "parts", ("OK", "pit"), each=24, size=(48, 64))
    for image in sorted((folder / "pit").glob("*.png"))[12:]:
        image.unlink()
    return folder


def rules(folder: Path, *limits: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(f"limits = {list(limits)}")
    return path


def test_trained_with_rules_the_bundle_decides_by_them(parts: Path, tmp_path: Path) -> None:
    file = rules(tmp_path, "pit.area_mm2 <= 0.01")
    options = {"method": fake_method.NAME, "rules": file, "mm_per_pixel": 0.1}
    inspector = brightfield.train(parts, tmp_path / "inspector", **options)
    file.unlink()
    loaded = brightfield.load(tmp_path / "inspector")
    assert (loaded.rules, loaded.mm_per_pixel) == (inspector.rules, 0.1)
    verdict = loaded.inspect(next((parts / "pit").glob("*.png")))
    assert verdict.rule is not None
    assert verdict.rule.startswith("pit.area_mm2 <= 0.01: ")
    assert verdict.defects[0].area_mm2 == pytest.approx(verdict.defects[0].area / 100)


@pytest.mark.parametrize(
    ("limit", "options", "why"),
    [
        ("any.length_mm <= 2", {"method": fake_method.NAME}, "size of a pixel is not known"),
        ("any.count <= 2", {"method": "classifier"}, "the method classifier marks no defects"),
        ("any.cuont <= 2", {"method": fake_method.NAME}, "line 1: .*did you mean count"),
    ],
)
def test_what_cannot_be_is_refused_before_the_training(
    parts: Path, tmp_path: Path, limit: str, options: dict[str, str], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        brightfield.train(parts, tmp_path / "out", rules=rules(tmp_path, limit), **options)
    assert not (tmp_path / "out").exists()


def test_an_unknown_type_costs_no_training(parts: Path, tmp_path: Path) -> None:
    options = {"method": fake_method.NAME, "rules": rules(tmp_path, "pits.count <= 2")}
    with pytest.raises(ConfigError, match=r"unknown type 'pits'; did you mean pit\?.*--resume"):
        brightfield.train(parts, tmp_path / "out", **options)
    assert workspace_of(tmp_path / "out").exists()
    rules(tmp_path, "pit.count <= 2")
    assert brightfield.train(parts, tmp_path / "out", resume=True, **options).rules is not None


def test_methods_are_compared_without_rules(parts: Path, tmp_path: Path) -> None:
    options = make_options({"rules": str(rules(tmp_path, "any.count <= 2"))})
    with pytest.raises(ConfigError, match="compared by their scores"):
        compare(parts, None, options)


def test_an_update_keeps_rules_and_scale(
    memory_bundle: Path, synthetic_parts: Path, tmp_path: Path, make_spots: Callable[..., Path]
) -> None:
    file = rules(tmp_path, "any.area_mm2 <= 0.5")
    ruled = Inspector.load(memory_bundle).with_rules(read_rules(file), 0.1)
    ruled.save(tmp_path / "ruled")
    new = make_spots(tmp_path / "new", ("OK",), each=2, size=(96, 128))
    updated = brightfield.train(new, tmp_path / "updated", from_=tmp_path / "ruled")
    assert (updated.rules, updated.mm_per_pixel) == (ruled.rules, 0.1)
    for given in ({"rules": file}, {"mm_per_pixel": 0.2}):
        with pytest.raises(ConfigError, match="an update keeps all"):
            brightfield.train(new, None, from_=tmp_path / "ruled", **given)
