"""Rules: limits on measured defects that decide beside the probability, or alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brightfield.data.region import Region
from brightfield.decide.defects import Found, inside, measured
from brightfield.decide.guarantee import Guarantee
from brightfield.decide.limits import ANY, Exceeded, Limit, exceeded, parse_limit
from brightfield.errors import ConfigError, suggestion
from brightfield.verdict import Defect

BESIDE, ALONE = "beside", "alone"


@dataclass(frozen=True)
class RegionRules:
    """Limits for what lies in one region of the picture.

    Attributes:
        name: The region's name, as verdicts print it.
        region: The region; it is scaled to each picture, as the camera stands still.
        limits: Its limits, in the order of the file.
    """

    name: str
    region: Region
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Rules:
    """Limits that reject a part, and whether they alone decide.

    Attributes:
        limits: The limits for the whole picture, in the order of the file.
        regions: The regions with limits of their own, in that order.
        decide: `beside`: a part is DEFECT where a limit is exceeded, else the probability decides. `alone`: a
            part is DEFECT where a limit is exceeded, else OK.
        ignore_below_area_px: What has fewer pixels than this counts for no limit.
        ignore_below_area_mm2: What has less area than this, in square millimetres, counts for no limit.
        mm_per_pixel: The side of a pixel in millimetres that the file names; None if it names none.
        source: The name of the file that they were read from.
    """

    limits: tuple[Limit, ...]
    regions: tuple[RegionRules, ...] = ()
    decide: str = BESIDE
    ignore_below_area_px: float = 0.0
    ignore_below_area_mm2: float = 0.0
    mm_per_pixel: float | None = None
    source: str = ""

    @property
    def alone(self) -> bool:
        """Whether the rules alone decide, so that the probability is information only."""
        return self.decide == ALONE

    @property
    def all_limits(self) -> tuple[Limit, ...]:
        """All limits, those of regions too."""
        return (*self.limits, *(limit for region in self.regions for limit in region.limits))

    def named_limits(self) -> list[dict[str, str | None]]:
        """Return each limit's text under `limit`, and its region's name, or None, under `region`."""
        whole: list[dict[str, str | None]] = [{"limit": limit.text, "region": None} for limit in self.limits]
        return whole + [{"limit": limit.text, "region": r.name} for r in self.regions for limit in r.limits]

    @property
    def needs_scale(self) -> str | None:
        """What needs the size of a pixel, in words; None if nothing does."""
        if self.ignore_below_area_mm2:
            return "ignore_below_area_mm2"
        first = next((limit for limit in self.all_limits if limit.in_mm), None)
        return None if first is None else f"{self.at(first)}the limit {first.text!r}"

    def at(self, limit: Limit) -> str:
        """Return where a limit was read from, for the beginning of a message; empty if that is not known."""
        if not self.source:
            return ""
        return f"{self.source}: " if limit.line is None else f"{self.source}, line {limit.line}: "

    def broken(
        self, defects: Sequence[Defect], found: Found, mm_per_pixel: float | None
    ) -> Iterator[Exceeded]:
        """Yield the limits that are exceeded, in the order of the file.

        Of a region's limits only what lies inside it counts: the part of each defect, measured for itself.

        Args:
            defects: The defects, as `measured` returns them.
            found: What they were measured from, in the whole picture.
            mm_per_pixel: The side of a pixel in millimetres, where it is known.
        """
        shape = (found.mask.shape[0], found.mask.shape[1])
        yield from self._broken(self.limits, defects, None)
        for one in self.regions:
            parts = measured(inside(found, one.region.at(shape)), mm_per_pixel) if defects else ()
            yield from self._broken(one.limits, parts, one.name)

    def _broken(
        self, limits: Sequence[Limit], defects: Sequence[Defect], region: str | None
    ) -> Iterator[Exceeded]:
        counting = [defect for defect in defects if self._counts(defect)]
        for limit in limits:
            broken = exceeded(limit, counting)
            if broken is not None:
                yield Exceeded(limit, broken.value, broken.defect, region)

    def _counts(self, defect: Defect) -> bool:
        area_mm2 = defect.area_mm2
        large = area_mm2 is None or area_mm2 >= self.ignore_below_area_mm2
        return large and defect.area >= self.ignore_below_area_px

    def check_shape(self, shape: tuple[int, int]) -> None:
        """Check that the regions fit a picture of this (H, W).

        Raises:
            ImageError: If it has another aspect ratio than a region's mask.
        """
        for one in self.regions:
            one.region.check_shape(shape, f"the region {one.name!r} of the rules")

    def still_promised(self, guarantees: Sequence[Guarantee]) -> tuple[Guarantee, ...]:
        """Return the guarantees of the threshold that also hold for decisions by these rules.

        Beside the probability, rules only reject more parts, so that no more defects escape.
        """
        return () if self.alone else tuple(g for g in guarantees if g.kind == "escape")

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, as JSON types; masks are whole."""
        return {
            "decide": self.decide,
            "limits": [limit.text for limit in self.limits],
            "regions": [
                {"name": r.name, "mask": r.region.as_dict(), "limits": [limit.text for limit in r.limits]}
                for r in self.regions
            ],
            "ignore_below_area_px": self.ignore_below_area_px,
            "ignore_below_area_mm2": self.ignore_below_area_mm2,
            "mm_per_pixel": self.mm_per_pixel,
            "source": self.source,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Rules:
        """Return the rules that `as_dict` described.

        Raises:
            KeyError: If a value is missing.
            ValueError: If a value is wrong.
            TypeError: If a value is of the wrong type.
        """
        scale = values["mm_per_pixel"]
        try:
            return Rules(
                limits=tuple(map(parse_limit, values["limits"])),
                regions=tuple(
                    RegionRules(
                        str(r["name"]), Region.from_dict(r["mask"]), tuple(map(parse_limit, r["limits"]))
                    )
                    for r in values["regions"]
                ),
                decide=str(values["decide"]),
                ignore_below_area_px=float(values["ignore_below_area_px"]),
                ignore_below_area_mm2=float(values["ignore_below_area_mm2"]),
                mm_per_pixel=None if scale is None else float(scale),
                source=str(values["source"]),
            )
        except ConfigError as error:
            raise ValueError(f"its rules: {error}") from error


def check_scale(mm_per_pixel: float | None) -> None:
    """Check the side of a pixel in millimetres; None where it is not known.

    Raises:
        ConfigError: If it is not a number above 0.
    """
    if mm_per_pixel is not None and not (math.isfinite(mm_per_pixel) and mm_per_pixel > 0):
        raise ConfigError(f"--mm-per-pixel is {mm_per_pixel}; expected a number above 0")


def check_has_scale(rules: Rules, mm_per_pixel: float | None) -> None:
    """Check that the size of a pixel is known where rules need it.

    Raises:
        ConfigError: If it is not.
    """
    if rules.needs_scale is not None and mm_per_pixel is None:
        raise ConfigError(
            f"{rules.needs_scale} is in millimetres, and the size of a pixel is not known; give it with "
            "--mm-per-pixel, or as mm_per_pixel in the file of rules, or use a limit in px"
        )


def check_rules(
    rules: Rules, *, types: Sequence[str], classes: Collection[str], segments: bool, scale: float | None
) -> None:
    """Check that rules can be applied to what an inspector finds.

    Args:
        rules: The rules.
        types: The types that its defects can be of.
        classes: Its classes.
        segments: Whether it gives each pixel a probability of a defect.
        scale: The side of a pixel in millimetres; None where it is not known.

    Raises:
        ConfigError: If a limit is about an unknown type, or needs a probability or a scale that is not there.
    """
    check_has_scale(rules, scale)
    for limit in rules.all_limits:
        if limit.type != ANY and limit.type not in types:
            raise ConfigError(
                f"{rules.at(limit)}the limit {limit.text!r} is about {_why(limit, types, classes)}"
            )
        if limit.quantity == "probability" and not segments:
            raise ConfigError(
                f"{rules.at(limit)}the limit {limit.text!r} needs the probability of each defect, which this "
                "inspector's method does not give; limit its size or number"
            )


def _why(limit: Limit, types: Sequence[str], classes: Collection[str]) -> str:
    known = f"known are: {', '.join((*types, ANY))}"
    if limit.type in classes:
        return (
            f"the class {limit.type!r}, but no defect can be of it: it is the class of good parts, or this "
            f"inspector's method tells no types of defects apart; {known}"
        )
    return f"the unknown type {limit.type!r}{suggestion(limit.type, (*types, ANY))}; {known}"
