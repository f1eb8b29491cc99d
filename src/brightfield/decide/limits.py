"""Limits on measured defects, such as `scratch.length_mm <= 2.0`: reading, checking, comparing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from brightfield.errors import ConfigError, suggestion
from brightfield.verdict import Defect

ANY = "any"
"""The type in a limit that stands for all types."""

Measure = Callable[[Defect], float | None]

EACH: dict[str, Measure] = {
    "length_px": lambda d: d.length,
    "length_mm": lambda d: d.length_mm,
    "width_px": lambda d: d.width,
    "width_mm": lambda d: d.width_mm,
    "area_px": lambda d: d.area,
    "area_mm2": lambda d: d.area_mm2,
    "probability": lambda d: d.probability,
}
"""Quantities that every single defect must keep within."""

TOGETHER: dict[str, Measure] = {
    "count": lambda _: 1,
    "total_length_px": lambda d: d.length,
    "total_length_mm": lambda d: d.length_mm,
    "total_area_px": lambda d: d.area,
    "total_area_mm2": lambda d: d.area_mm2,
}
"""Quantities that are added up over the defects of a type."""

QUANTITIES = (*EACH, *TOGETHER)

_FORM = re.compile(r"(?P<what>.*?)\s*(?P<sign>[<>=!≤≥]+)\s*(?P<bound>.*)", re.DOTALL)
_SIGNS = {"<=": "<=", "≤": "<=", "<": "<"}
_EXAMPLE = "expected TYPE.QUANTITY <= NUMBER, such as scratch.length_mm <= 2.0"
_ROUNDING = 1e-9  # by so much of the bound a value may exceed it, as 35 * 0.02 exceeds 0.7


@dataclass(frozen=True)
class Limit:
    """A limit on one quantity of the defects of one type.

    Attributes:
        type: The defect type, or `ANY`.
        quantity: One of `QUANTITIES`.
        sign: `<=` or `<`.
        bound: The number, at least 0.
        text: The limit as it was written.
        line: Its line in the file of rules; None where it is not known.
    """

    type: str
    quantity: str
    sign: str
    bound: float
    text: str = field(compare=False)
    line: int | None = field(default=None, compare=False)

    @property
    def in_mm(self) -> bool:
        """Whether it needs the size of a pixel."""
        return self.quantity.endswith(("_mm", "_mm2"))

    def is_about(self, defect: Defect) -> bool:
        """Return whether a defect is of the limit's type."""
        return self.type in (ANY, defect.type)

    def allows(self, value: float) -> bool:
        """Return whether a value keeps within the limit; rounding errors do not exceed it."""
        margin = _ROUNDING * self.bound
        return value <= self.bound + margin if self.sign == "<=" else value < self.bound - margin


@dataclass(frozen=True)
class Exceeded:
    """A limit that is exceeded.

    Attributes:
        limit: The limit.
        value: What was found.
        defect: The defect with this value; of a quantity added up the largest one that counts.
        region: The name of the region that the limit is for; None for the whole picture.
    """

    limit: Limit
    value: float
    defect: Defect
    region: str | None = None

    def __str__(self) -> str:
        number = f"{self.value:.0f}" if float(self.value).is_integer() else f"{self.value:.6g}"
        return f"{self.limit.text}: {number}" + ("" if self.region is None else f" ({self.region})")


def exceeded(limit: Limit, defects: Sequence[Defect]) -> Exceeded | None:
    """Return by what a limit is exceeded; None if it is kept. Of several defects the worst one counts."""
    about = [defect for defect in defects if limit.is_about(defect)]
    each = limit.quantity in EACH
    measure = (EACH if each else TOGETHER)[limit.quantity]
    values = [value for value in map(measure, about) if value is not None]
    if not values or len(values) < len(about):
        return None
    value = max(values) if each else math.fsum(values)
    if limit.allows(value):
        return None
    worst = about[values.index(value)] if each else max(about, key=lambda defect: defect.area)
    return Exceeded(limit, value, worst)


def parse_limit(text: str, line: int | None = None) -> Limit:
    """Return the limit that a text such as `scratch.length_mm <= 2.0` names.

    All before the last dot is the type, so that it may have spaces and dots of its own. It may stand in
    quotes.

    Raises:
        ConfigError: If it is no limit; the message says why, without the file and the line.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"the limit {text!r} has no <= or <; {_EXAMPLE}")
    name, dot, quantity = found["what"].rpartition(".")
    name, quantity = _unquoted(name.strip()), quantity.strip()
    if not dot or not name:
        raise ConfigError(f"the limit {text!r} names no type; {_EXAMPLE}; the type any stands for every type")
    if quantity not in QUANTITIES:
        raise ConfigError(
            f"the limit {text!r} has the unknown quantity {quantity!r}{suggestion(quantity, QUANTITIES)}; "
            f"known are: {', '.join(QUANTITIES)}"
        )
    if found["sign"] not in _SIGNS:
        raise ConfigError(
            f"the limit {text!r} has the sign {found['sign']}; expected <= or <, as a limit says how much is "
            "allowed"
        )
    sign = _SIGNS[found["sign"]]
    return Limit(name, quantity, sign, _bound(text, found["bound"], quantity, sign), text.strip(), line)


def _unquoted(name: str) -> str:
    quoted = len(name) > 2 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if quoted else name


def _bound(text: str, digits: str, quantity: str, sign: str) -> float:
    wanted = "a whole number" if quantity == "count" else "a number"
    wanted += " from 0 to 1" if quantity == "probability" else " of 0 or more"
    try:
        bound = float(digits)
    except ValueError as error:
        unit = (
            f"; the unit stands in the quantity, {quantity}" if re.match(r"[\d.]+\s*[a-zµ%]", digits) else ""
        )
        raise ConfigError(f"the limit {text!r} ends in {digits!r}; expected {wanted}{unit}") from error
    whole = quantity != "count" or bound.is_integer()
    if not math.isfinite(bound) or bound < 0 or not whole or (quantity == "probability" and bound > 1):
        raise ConfigError(f"the limit {text!r} ends in {digits!r}; expected {wanted}")
    if sign == "<" and bound == 0:
        raise ConfigError(f"the limit {text!r} can never be kept; for none at all write <= 0")
    return bound
