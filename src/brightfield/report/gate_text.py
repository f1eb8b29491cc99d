"""The outcome of a retraining in sentences, for quality managers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from brightfield.evaluation.gate import (
    ERRORS,
    ESCAPES,
    FEWEST_TO_RANK,
    OPEN,
    OVERKILLS,
    PAID,
    RANKING,
    REVIEWS,
    SHOWN,
    UNTESTED,
    WORSE,
    Check,
    Gate,
    Golden,
)
from brightfield.report.quantities import points
from brightfield.report.wording import figure, percent, percent_word

_NAMED = 5

_WHAT = {
    ESCAPES: ("Escapes", "defective"),
    OVERKILLS: ("Overkills", "good"),
    REVIEWS: ("Good parts for review", "good"),
    ERRORS: ("Wrong classes", "judged"),
}


def verdict_sentence(gate: Gate) -> str:
    """Return whether the successor is accepted, in one sentence."""
    if not gate.accepted:
        return "The successor is refused: it is not written in place of the inspector before."
    margin = points(gate.demands.margin)
    rates = [check for check in gate.checks if check.name != RANKING]
    if rates and all(check.outcome == SHOWN for check in rates):
        return f"The successor is accepted: it is shown to be no worse by more than {margin}."
    if not rates:
        return "The successor is accepted by the golden set alone: there is no other picture to compare on."
    risen = [_risen(check, margin) for check in rates if (check.rise or 0.0) > 0]
    if risen:
        return f"The successor is accepted: {'; '.join(risen)}."
    return "The successor is accepted: nothing shows that it is worse."


def _risen(check: Check, margin: str) -> str:
    """Return which rate has risen, by what, and why that does not speak against the successor."""
    what, parts = _names(check)
    rates = f"from {percent(check.before)} to {percent(check.after)} of {check.n:,} {parts}"
    if check.outcome == PAID:
        why = "which fewer escapes pay for"
    elif (check.low or 0.0) <= 0:
        why = "which may be chance"
    elif check.outcome == SHOWN:
        why = f"which is within the margin of {margin}"
    else:
        why = f"which is not shown to be more than the margin of {margin}"
    return f"{what[0].lower()}{what[1:]} rose {rates}, {why}"


def reasons(gate: Gate) -> list[str]:
    """Return why a successor is refused, one sentence a reason; nothing of an accepted one."""
    found = [] if gate.golden is None or gate.golden.kept else [_broken(gate.golden)]
    if gate.untested:
        found.append("Golden pictures alone were compared, and --strict asks that all be shown.")
    return [*found, *(_against(check, gate) for check in gate.against)]


def sentences(gate: Gate) -> list[str]:
    """Return one sentence on the golden set, one on each figure, and one on each type that got worse."""
    text = [] if gate.golden is None else [_replayed(gate.golden)]
    text += [check_sentence(check, gate) for check in gate.checks]
    return [*text, *(check_sentence(check, gate) for check in gate.types if check.outcome == WORSE)]


def hints(gate: Gate) -> list[str]:
    """Return what to do where only the balance of escapes and overkills has moved."""
    found = {check.name: check for check in gate.checks}
    escapes, overkills = found.get(ESCAPES), found.get(OVERKILLS)
    if escapes is None or overkills is None or escapes.rise is None or overkills.rise is None:
        return []
    moved = {escapes.outcome, overkills.outcome} & {WORSE, PAID} and escapes.rise * overkills.rise < 0
    if not moved or found[RANKING].outcome == WORSE:
        return []
    return [
        "One rate has risen and the other has fallen, and parts are ranked no worse than before: the "
        "threshold lies elsewhere. --policy, such as recall=0.99, says where it is to be."
    ]


def power_sentences(gate: Gate) -> list[str]:
    """Return what would have been noticed with so many parts; nothing where all is shown."""
    return [text for check in gate.checks for text in _power(check, gate)]


def origin_sentences(origins: Mapping[str, Gate]) -> list[str]:
    """Return one sentence on the old and one on the new test pictures."""
    found = {name: [_short(check) for check in gate.checks if check.test] for name, gate in origins.items()}
    return [
        f"On the {name} test pictures alone ({origins[name].n:,}): {'; '.join(figures)}."
        for name, figures in found.items()
    ]


def check_sentence(check: Check, gate: Gate) -> str:
    """Return one sentence on a figure of both inspectors, with the bounds of its rise and the outcome."""
    what, parts = _names(check)
    if check.outcome == UNTESTED:
        return f"{what}: not tested, {_why_untested(check, parts)}."
    confidence = percent_word(gate.demands.confidence)
    if check.name == RANKING:
        change = f"{figure(check.before)} before, {figure(check.after)} now"
        bounds = _of_fall(check.low or 0.0, check.high or 0.0)
    else:
        counts = "" if check.worse is None else f" ({check.worse} more, {check.better} fewer)"
        change = f"{percent(check.before)} before, {percent(check.after)} now of {check.n:,} {parts}{counts}"
        bounds = f"{_signed(check.low)} and {_signed(check.high)} points"
    chance = f"{confidence} confidence each way; p = {check.p_value:.2g}, {check.test}"
    return f"{what}: {change}; the change lies between {bounds} ({chance}): {_OUTCOMES[check.outcome]}."


def _signed(share: float | None) -> str:
    value = round(100.0 * (share or 0.0), 1)
    return f"{value:+g}" if value else "0"


def _of_fall(low: float, high: float) -> str:
    """Return the bounds of a fall, without a sign that would have to be read as fall or rise."""
    if low >= 0 or high <= 0:
        near, far = sorted((abs(low), abs(high)))
        return f"{round(100 * near, 1):g} and {points(far)} {'lower' if low >= 0 else 'higher'}"
    return f"{points(high)} lower and {points(-low)} higher"


_OUTCOMES = {
    SHOWN: "no worse",
    OPEN: "neither shown to be worse nor to be no worse",
    PAID: "higher, and paid for by fewer escapes: the threshold lies elsewhere",
    WORSE: "worse",
}


def _names(check: Check) -> tuple[str, str]:
    if check.name == RANKING:
        return "AUROC", "judged parts"
    name, _, kind = check.name.partition(" of ")
    what, parts = _WHAT[name]
    return (f"{what} of {kind}", f"parts with {kind}") if kind else (what, f"{parts} parts")


def _why_untested(check: Check, parts: str) -> str:
    if check.name == RANKING:
        return f"as that takes {FEWEST_TO_RANK} good and {FEWEST_TO_RANK} defective parts"
    return f"as there are no {parts}"


def _against(check: Check, gate: Gate) -> str:
    if check.outcome == WORSE:
        return check_sentence(check, gate)
    margin = points(gate.demands.margin)
    return f"{check_sentence(check, gate)[:-1]}; --strict asks for a rise of at most {margin} to be shown."


def _broken(golden: Golden) -> str:
    n, some = len(golden.broken), ", ".join(golden.broken[:_NAMED])
    more = f" and {n - _NAMED} more" if n > _NAMED else ""
    return (
        f"Golden set: {n} of {golden.n:,} pictures that were decided rightly {_is(n)} now wrong, and "
        f"{golden.allowed or 'none'} may be: {some}{more}."
    )


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _was(n: int) -> str:
    return "was" if n == 1 else "were"


def _replayed(golden: Golden) -> str:
    if golden.broken:
        return _broken(golden)
    n, still_wrong = len(golden.mended), len(golden.wrong)
    better = f", {n} that {_was(n)} wrong {_is(n)} right now" if n else ""
    wrong = f", {still_wrong} {_is(still_wrong)} wrong as before" if still_wrong else ""
    right = golden.n - len(golden.wrong) - len(golden.mended)
    kept = f"all {right:,} that were decided rightly still are"
    still = f"of {golden.n:,} pictures {kept if right else 'none was decided rightly before'}"
    return f"Golden set: {still}{better}{wrong}."


def _power(check: Check, gate: Gate) -> Iterator[str]:
    if check.name == RANKING or check.outcome not in (OPEN, WORSE) or check.n == 0:
        return
    what, parts = _names(check)
    if check.noticed is None:
        yield f"{what}: {check.n:,} {parts} are too few to notice any rise 4 times of 5."
        return
    yield (
        f"{what}: with {check.n:,} {parts} in the test a rise of {points(check.noticed)} would be noticed 4 "
        "times of 5; a smaller one may pass."
    )


def _short(check: Check) -> str:
    what, _ = _names(check)
    shown = figure if check.name == RANKING else percent
    return f"{what} {shown(check.before)} before, {shown(check.after)} now"
