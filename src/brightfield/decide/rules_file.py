"""Reading of rules from a TOML file; every error names the line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from brightfield.data.region_mask import read_area
from brightfield.decide.limits import Limit, parse_limit
from brightfield.decide.rules import ALONE, BESIDE, RegionRules, Rules
from brightfield.decide.toml_lines import TomlLines
from brightfield.disk.toml_file import parse_toml, read_text
from brightfield.errors import ConfigError, suggestion

_NUMBERS = ("mm_per_pixel", "ignore_below_area_px", "ignore_below_area_mm2")
_KEYS = ("decide", *_NUMBERS, "limits", "region")
_REGION_KEYS = ("name", "mask", "limits")
_REGION = "region"


def read_rules(path: Path) -> Rules:
    """Read rules from a TOML file.

    `limits` is a list of texts as `parse_limit` takes them; each table `[[region]]` has a `name`, a `mask`
    relative to the file and `limits` of its own. `decide` is `beside` (the default) or `alone`. The numbers
    `mm_per_pixel`, `ignore_below_area_px` and `ignore_below_area_mm2` are optional.

    Raises:
        ConfigError: If the file or a mask cannot be read, or something in it is wrong; with the line.
    """
    text = read_text(path, "--rules")
    values = parse_toml(text, path, "--rules")
    return _Reader(path, TomlLines(text)).rules(values)


class _Reader:
    """Reads one file of rules."""

    def __init__(self, path: Path, lines: TomlLines) -> None:
        self.path, self.lines = path, lines

    def rules(self, values: dict[str, Any]) -> Rules:
        """Return the rules that the values of the file describe."""
        self._check_keys(values, _KEYS)
        decide = values.get("decide", BESIDE)
        if decide not in (BESIDE, ALONE):
            self._fail(f"decide is {decide!r}; expected {BESIDE!r} or {ALONE!r}", self.lines.of_key("decide"))
        numbers = {name: self._number(name, values[name]) for name in _NUMBERS if name in values}
        limits = self._limits(values.get("limits", []), self.lines.of_key("limits"))
        tables = values.get(_REGION, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            line = self.lines.of_key(_REGION) or self.lines.of_table(_REGION, 0)
            self._fail("region is no table; expected [[region]], with name, mask and limits", line)
        regions = tuple(self._region(table, i) for i, table in enumerate(tables))
        if not limits and not regions:
            self._fail("there are no limits; expected such as limits = ['scratch.length_px <= 40']", None)
        names = [region.name for region in regions]
        for i, name in enumerate(names):
            if name in names[:i]:
                self._fail(f"two regions are named {name!r}", self.lines.of_table(_REGION, i))
        return Rules(limits, regions, decide, source=self.path.name, **numbers)

    def _region(self, values: dict[str, Any], i: int) -> RegionRules:
        header = self.lines.of_table(_REGION, i)
        self._check_keys(values, _REGION_KEYS, i)
        for key in _REGION_KEYS:
            if key not in values:
                self._fail(f"the region has no {key}; expected name, mask and limits", header)
        line = {key: self.lines.of_key(key, _REGION, i) or header for key in _REGION_KEYS}
        for key in ("name", "mask"):
            if not isinstance(values[key], str) or not values[key].strip():
                self._fail(f"{key} is {values[key]!r}; expected text", line[key])
        limits = self._limits(values["limits"], line["limits"])
        if not limits:
            self._fail(f"the region {values['name']!r} has no limits; expected at least one", line["limits"])
        mask = read_area(self.path.parent / values["mask"], f"{self._where(line['mask'])}mask")
        return RegionRules(values["name"].strip(), mask, limits)

    def _limits(self, values: Any, line: int | None) -> tuple[Limit, ...]:
        if not isinstance(values, list):
            self._fail(f"limits is {values!r}; expected a list of texts in brackets", line)
        limits = []
        for value in values:
            if not isinstance(value, str):
                self._fail(f"a limit is {value!r}; expected text in quotes", line)
            at = self.lines.of_text(value) or line
            try:
                limits.append(parse_limit(value, at))
            except ConfigError as error:
                self._fail(str(error), at)
        return tuple(limits)

    def _number(self, name: str, value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            self._fail(f"{name} is {value!r}; expected a number above 0", self.lines.of_key(name))
        return float(value)

    def _check_keys(self, values: dict[str, Any], known: Sequence[str], i: int | None = None) -> None:
        for key in values:
            if key not in known:
                where = ("", 0) if i is None else (_REGION, i)
                within = "" if i is None else " of a region"
                self._fail(
                    f"unknown key {key!r}{within}{suggestion(key, known)}; known are: {', '.join(known)}",
                    self.lines.of_key(key, *where) or self.lines.of_table(key, 0),
                )

    def _where(self, line: int | None) -> str:
        return f"{self.path}: " if line is None else f"{self.path}, line {line}: "

    def _fail(self, why: str, line: int | None) -> NoReturn:
        raise ConfigError(f"{self._where(line)}{why}")
