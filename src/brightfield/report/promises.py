"""Sentences on the guarantees, forecasts and costs of an operating point, for quality managers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from brightfield.decide.auto import further_bounds
from brightfield.decide.calibration import LEAST_DEFECTS
from brightfield.decide.conformal import good_allowed
from brightfield.decide.cost import Costs, expected_cost
from brightfield.decide.guarantee import Guarantee, parts_needed, upper_bound
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import DEFAULT_CONFIDENCE
from brightfield.report.wording import percent, percent_word
from brightfield.verdict import Scale

ONE_DRAW = (
    "This holds for parts from the same line as the calibration parts, as if all were drawn at random from "
    "one "
    "lot and each pictured once. It no longer holds after the parts, the camera or the light have changed."
)


NO_DEFECTS = (
    "The threshold was chosen without defective parts. The escape rate is unknown and not guaranteed until "
    "defective parts are judged."
)

NO_PROBABILITY = (
    "Each part gets a p-value: the share of good parts that look at least as unusual. It is not the "
    f"probability of a defect, which can be estimated from {LEAST_DEFECTS} known defective parts on that are "
    "not tested."
)


def promises(point: OperatingPoint) -> list[str]:
    """Return sentences on the guarantees, the forecast of the review share and the expected costs."""
    sentences = [guarantee_sentence(g) for g in point.guarantees]
    if len(sentences) > 1:
        together = 1.0 - sum(1.0 - g.confidence for g in point.guarantees)
        sentences.append(
            f"All of them hold together with at least {_exactly(max(0.0, together))} confidence."
        )
    expected = _expected_sentence(point)
    if expected is not None:
        sentences.append(expected)
    sentences += _more_good_parts(point)
    if sentences:
        sentences.append(ONE_DRAW)
    return [*sentences, *_escapes(point), *_band(point), *_money(point)]


def guarantee_sentence(promise: Guarantee) -> str:
    """Return sentences on a guarantee, the counts that prove it, and the effect of one more error."""
    what, done = _subject(promise)
    now = upper_bound(promise.errors, promise.n, promise.confidence)
    then = upper_bound(promise.errors + 1, promise.n, promise.confidence)
    word = "escape" if promise.kind == "escape" else "overkill"
    # the guarantee is the requested bound, which was set before the parts were seen
    kept = "the promise would still hold" if then <= promise.bound else "the promise would be lost"
    return (
        f"With {percent_word(promise.confidence)} confidence at most {_exactly(promise.bound)} of all {what} "
        f"are {done}. It rests on the {promise.n:,} {what} that the threshold was chosen on, of which "
        f"{promise.errors:,} {'is' if promise.errors == 1 else 'are'} {done}: a count that bounds the rate "
        f"at {percent(now)}. One more {word} among them would make that {percent(then)}: {kept}."
    )


def _more_good_parts(point: OperatingPoint) -> Iterator[str]:
    """Yield the sentence on what more good parts would prove, where good parts alone chose the threshold."""
    alone = re.fullmatch(r"overkill=(\S+)", point.policy)
    share = None if alone is None else float(alone[1])
    if [g.kind for g in point.guarantees] == ["overkill"]:
        (proven,) = point.guarantees
        bounds = further_bounds(proven.n, proven.bound, proven.confidence)
        if bounds:
            yield f"With more good parts held out a lower rate can be proven: {_would_prove(bounds)}."
            return
        needed = parts_needed(proven.bound, proven.confidence, proven.errors + 1)
        yield (
            f"With more good parts held out the same rate can be proven for a lower threshold, which fewer "
            f"defective parts pass: of {needed:,} good parts {proven.errors + 1:,} may be rejected."
        )
    elif share is not None and point.scale is not Scale.PROBABILITY:
        rejected = max(point.overkills, good_allowed(point.n_good, share))
        most = upper_bound(rejected, point.n_good, DEFAULT_CONFIDENCE)
        bounds = further_bounds(point.n_good, 1.0, DEFAULT_CONFIDENCE)
        yield (
            f"With {percent_word(DEFAULT_CONFIDENCE)} confidence these {point.n_good:,} good parts prove an "
            f"overkill rate of at most {percent(most)}{f'; {_would_prove(bounds)}' if bounds else ''}."
        )


def _would_prove(bounds: list[tuple[float, int]]) -> str:
    return ", ".join(f"{n:,} would prove {_exactly(bound)}" for bound, n in bounds)


def _escapes(point: OperatingPoint) -> Iterator[str]:
    """Yield sentences on the escape rate where good parts chose the threshold, and on p-values."""
    if point.n_calibration and not point.n_defect:
        yield NO_DEFECTS
    elif point.scale is not Scale.PROBABILITY and re.fullmatch(r"overkill[<=].*", point.policy):
        most = upper_bound(point.escapes, point.n_defect, DEFAULT_CONFIDENCE)
        known = "known defective part" if point.n_defect == 1 else "known defective parts"
        passed = f"{point.escapes:,} {'passes' if point.escapes == 1 else 'pass'}"
        yield (
            f"Good parts alone chose the threshold. Of the {point.n_defect:,} {known} that it was counted on "
            f"{passed}: with {percent_word(DEFAULT_CONFIDENCE)} confidence an escape rate of at most "
            f"{percent(most)}, if defects to come are like these. No escape rate is guaranteed; "
            f"{parts_needed(0.05, DEFAULT_CONFIDENCE)} known defective parts could prove 5%."
        )
    if point.n_calibration and point.scale is not Scale.PROBABILITY:
        yield NO_PROBABILITY


def _expected_sentence(point: OperatingPoint) -> str | None:
    """Return the sentence on a policy `overkill=O`; None for another policy."""
    found = re.search(r"(?:^| and )overkill=(\S+)", point.policy)
    if found is None:
        return None
    share = float(found[1])
    return (
        f"Of good parts at most {100.0 * share:.4g}% are expected to be rejected, about "
        f"{_amount(1000 * share)} of 1,000. It rests on the {point.n_good:,} good parts that the threshold "
        f"was chosen on, of which {point.overkills:,} {'is' if point.overkills == 1 else 'are'} rejected. "
        "That is an average over random choices of calibration parts. For a guarantee with a confidence, use "
        "the "
        "policy overkill<=O@C."
    )


def _subject(promise: Guarantee) -> tuple[str, str]:
    if promise.kind == "overkill":
        return "good parts", "rejected"
    return ("defective parts" if promise.defect is None else f"parts with {promise.defect}"), "passed as OK"


def _band(point: OperatingPoint) -> Iterator[str]:
    if point.review is None:
        return
    good, defective = point.review_share(0.0), point.review_share(1.0)
    shares = [
        f"{percent(share)} of the {kind} parts"
        for kind, share in (("good", good), ("defective", defective))
        if share is not None
    ]
    forecast = f"A person is expected to review {' and '.join(shares)}"
    line = None if point.costs is None else point.review_share(point.costs.prevalence)
    if point.costs is not None and line is not None:
        share = percent(point.costs.prevalence)
        yield f"{forecast}: {percent(line)} of all parts where {share} are defective, as on this line."
    else:
        yield f"{forecast}, the same shares as among the parts that the thresholds were chosen on."


def _money(point: OperatingPoint) -> Iterator[str]:
    costs = point.costs
    if costs is None or not (point.n_defect and point.n_good):
        return
    paid = 1000.0 * float(
        expected_cost(
            costs,
            point.escapes / point.n_defect,
            point.overkills / point.n_good,
            point.review_share(costs.prevalence) or 0.0,
        )
    )
    without_reviews = (
        ", without that of the reviews" if point.review is not None and costs.review is None else ""
    )
    yield (
        f"At {_amount(costs.escape)} an escape, {_amount(costs.overkill)} an overkill"
        f"{'' if costs.review is None else f', {_amount(costs.review)} a review'} and "
        f"{percent(costs.prevalence)} of the parts defective, the counts forecast a cost of {_amount(paid)} "
        f"for 1,000 parts{without_reviews}. Passing every part would cost "
        f"{_amount(_flat(costs, 'pass'))}, rejecting every part {_amount(_flat(costs, 'reject'))}."
    )
    if costs.review is not None and point.review is None:
        yield (
            f"No part goes to review: at {_amount(costs.review)} a review never costs less than the error it "
            "may save."
        )


def _flat(costs: Costs, what: str) -> float:
    """Return the cost of 1,000 parts that are all passed or all rejected."""
    return 1000.0 * float(expected_cost(costs, float(what == "pass"), float(what == "reject")))


def _exactly(share: float) -> str:
    """Return a share as an unrounded percentage."""
    return f"{100.0 * share:.10g}%"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
