"""What people found: counts of looks at randomly drawn parts, and at pieces whose class is known.

A count may be an array, for many lines at once; then all of them have its shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import numpy.typing as npt

from brightfield.errors import ConfigError

Count = float | npt.NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Looks:
    """Counts of parts that were drawn at random from one kind of parts and looked at by a person.

    Attributes:
        defective: How many the person called defective.
        good: How many the person called good.
        unsettled: How many are undecided: the person was not sure, or people disagree.
        types: How many of the defective ones were of each defect type.
    """

    defective: Count = 0.0
    good: Count = 0.0
    unsettled: Count = 0.0
    types: Mapping[str, Count] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_counts(self)
        if np.any(sum(self.types.values()) > np.asarray(self.defective)):
            raise ConfigError(
                f"{sum(self.types.values())} parts have a defect type and {self.defective} are defective; "
                "expected no more types than defective parts"
            )

    @property
    def n(self) -> Count:
        """The number of parts looked at."""
        return self.defective + self.good + self.unsettled

    def of_type(self, name: str) -> Looks:
        """Return the counts where parts with a defect of another type count as good."""
        found = self.types.get(name, 0.0)
        return Looks(found, self.defective - found + self.good, self.unsettled)

    def times(self, factor: float) -> Looks:
        """Return the counts that so many times as many looks give, at the same rates."""
        types = {name: factor * n for name, n in self.types.items()}
        return Looks(factor * self.defective, factor * self.good, factor * self.unsettled, types)


@dataclass(frozen=True)
class Pairs:
    """Counts of parts that were looked at twice by people who did not know that.

    Attributes:
        differing: Of how many the two looks differ on whether the part is defective.
        alike: Of how many they do not.
    """

    differing: Count = 0.0
    alike: Count = 0.0

    def __post_init__(self) -> None:
        _check_counts(self)

    def times(self, factor: float) -> Pairs:
        """Return the counts that so many times as many looks give, at the same rates."""
        return Pairs(factor * self.differing, factor * self.alike)


@dataclass(frozen=True)
class Known:
    """Counts of pieces whose class is known, and which the person could not tell from others.

    A piece that was shown several times counts once, as the share of the times that is meant: shown again it
    tells more of itself, and nothing of other pieces.

    Attributes:
        defective: How many defective pieces were looked at.
        missed: How many of them were called good, or stayed undecided.
        good: How many good pieces were looked at.
        alarmed: How many of them were called defective, or undecided, at the first look.
        confirmed: How many of these were called defective when all looks were in.
        pending: How many of these may be called so yet: they wait for another look.
    """

    defective: Count = 0.0
    missed: Count = 0.0
    good: Count = 0.0
    alarmed: Count = 0.0
    confirmed: Count = 0.0
    pending: Count = 0.0

    def __post_init__(self) -> None:
        _check_counts(self)
        confirmed = self.confirmed + self.pending
        parts = ((self.missed, self.defective), (self.alarmed, self.good), (confirmed, self.alarmed))
        if any(np.any(np.asarray(part) > np.asarray(whole) + _ROUNDING) for part, whole in parts):
            raise ConfigError(
                f"{self.missed} of {self.defective} defective pieces missed, {self.alarmed} of {self.good} "
                f"good ones called defective, {self.confirmed} of those confirmed and {self.pending} "
                "pending; expected no count above the one that it is part of"
            )

    def times(self, factor: float) -> Known:
        """Return the counts that so many times as many looks give, at the same rates."""
        return Known(**{f.name: factor * getattr(self, f.name) for f in fields(self)})


@dataclass(frozen=True)
class Evidence:
    """All that an audit rests on, for one inspector with one operating point.

    Attributes:
        n_passed: How many parts of the line passed, looked at or not.
        n_rejected: How many did not: rejected, or sent to review.
        passed: Looks at a random sample of those that passed.
        rejected: Looks at a random sample of those that did not.
        known: Looks at known pieces.
        passed_twice: Repeated looks at parts that passed.
        rejected_twice: Repeated looks at parts that did not.
    """

    n_passed: Count
    n_rejected: Count
    passed: Looks = field(default_factory=Looks)
    rejected: Looks = field(default_factory=Looks)
    known: Known = field(default_factory=Known)
    passed_twice: Pairs = field(default_factory=Pairs)
    rejected_twice: Pairs = field(default_factory=Pairs)

    def __post_init__(self) -> None:
        if np.any(np.asarray(self.n_passed) < 0) or np.any(np.asarray(self.n_rejected) < 0):
            raise ConfigError(
                f"{self.n_passed} parts passed and {self.n_rejected} did not; expected no number below 0"
            )

    @property
    def looks(self) -> Count:
        """The number of randomly drawn parts looked at."""
        return self.passed.n + self.rejected.n

    def of_type(self, name: str) -> Evidence:
        """Return the evidence on one defect type: parts with a defect of another type count as good.

        How often people call a good part one of this type is not known: anything from never to as often as
        they call it defective.
        """
        never = np.zeros_like(self.known.confirmed)
        known = replace(self.known, confirmed=never, pending=self.known.confirmed + self.known.pending)
        passed, rejected = self.passed.of_type(name), self.rejected.of_type(name)
        return replace(self, passed=passed, rejected=rejected, known=known)

    def times(self, factor: float) -> Evidence:
        """Return the evidence of so many times as many parts and looks, at the same rates."""
        return Evidence(
            factor * self.n_passed,
            factor * self.n_rejected,
            self.passed.times(factor),
            self.rejected.times(factor),
            self.known.times(factor),
            self.passed_twice.times(factor),
            self.rejected_twice.times(factor),
        )


def _check_counts(counts: Looks | Pairs | Known) -> None:
    for one in fields(counts):
        value = getattr(counts, one.name)
        if not isinstance(value, Mapping) and np.any(np.asarray(value) < 0):
            raise ConfigError(f"{one.name} is {value}; expected a count, 0 or more")
