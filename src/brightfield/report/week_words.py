"""The sentences of a week's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from brightfield.monitor.audit.of_log import nothing_proven
from brightfield.monitor.audit.promise import Standing
from brightfield.monitor.drift.alarms import DRIFT, VERDICTS
from brightfield.monitor.week.whole import Answered, Week
from brightfield.report.wording import percent, percent_word
from brightfield.verdict import Decision

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)

"""The months of a year."""


def day(time: str) -> str:
    """Return the day of a time of the log in words, as `2 March 2026`."""
    moment = datetime.fromisoformat(time)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def clock(time: str) -> str:
    """Return a time of the log as `2 March 2026, 14:05`."""
    return f"{day(time)}, {time[11:16]}"


def span(first: str, last: str) -> str:
    """Return from when to when in words, naming month and year once where they are the same."""
    if first[:10] == last[:10]:
        return f"on {day(last)}"
    begin = day(first).split()
    end = day(last).split()
    while len(begin) > 1 and begin[-1] == end[-1 - (len(day(first).split()) - len(begin))]:
        begin.pop()
    return f"from {' '.join(begin)} to {day(last)}"


def counted(n: int, thing: str, things: str | None = None) -> str:
    """Return a number with its noun, as `1 part` or `2,000 parts`."""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def headlines(week: Week) -> list[str]:
    """Return what a reader should know first: drift, escapes, and rejects."""
    return [sentence for sentence in (_drift(week), _said(week), _escapes(week), _decided(week)) if sentence]


def _drift(week: Week) -> str:
    if week.watched is None:
        return "The line was not watched for drift."
    found = [one for one in week.alarms if one.alarm.kind == DRIFT]
    if not found:
        return "Nothing has drifted."
    what = ", ".join(dict.fromkeys(one.alarm.what for one in found))
    unanswered = sum(not one.actions for one in found)
    if unanswered == 0:
        rest = "what was done about it is noted" if len(found) == 1 else "what was done about each is noted"
    elif unanswered == len(found):
        rest = "nothing is noted of what was done about it"
    else:
        rest = f"for {unanswered} of them nothing is noted of what was done"
    return f"{counted(len(found), 'alarm')} of drift ({what}): {rest}."


def _said(week: Week) -> str:
    """Return what changed in the verdicts while the pictures look the same, as with another class mix."""
    words = Counter(one.alarm.what for one in week.alarms if one.alarm.kind == VERDICTS)
    listed = ", ".join(what if n == 1 else f"{what} ({n} times)" for what, n in words.items())
    return f"While pictures look the same: {listed}." if listed else ""


def _escapes(week: Week) -> str:
    if week.audit is None:
        return ""
    rate = week.audit.whole.escape_rate
    if nothing_proven(rate):
        return "Nothing is proven of escapes yet."
    sure = percent_word(week.audit.whole.confidence)
    return f"At most {percent(float(rate.high))} of all defects escape, with a confidence of {sure}."


def _decided(week: Week) -> str:
    if not week.tallies.decided:
        return ""
    n, parts = week.tallies.decisions, week.period.parts
    words = [f"{percent(n.get(str(Decision.DEFECT), 0) / parts)} of the parts were rejected"]
    if review := n.get(str(Decision.REVIEW), 0):
        words.append(f"{percent(review / parts)} were sent to review")
    return " and ".join(words) + "."


def alarm_sentence(found: Answered) -> str:
    """Return since when and until when a change was there."""
    alarm = found.alarm
    words = f"Noticed at part {alarm.at:,}"
    if found.time is not None:
        words += f" ({clock(found.time)})"
    if alarm.since < alarm.at:
        words += f", most likely there since part {alarm.since:,}"
    if alarm.until > alarm.at:
        words += f", still there at part {alarm.until:,}"
    return words + "."


def promise_sentence(found: Standing) -> str:
    """Return how a promise stands, and how many looks it takes until it is settled."""
    promise = found.promise
    rate = "escapes" if promise.kind == "escape" else "rejected good parts"
    of = f" of {promise.defect}" if promise.defect else ""
    sure = percent_word(promise.confidence)
    what = f"The promise of at most {100 * promise.bound:.4g}% {rate}{of}, with a confidence of {sure}"
    looks = counted(found.looks, "look")
    if found.outcome != "open":
        return f"{what}, is {found.outcome} after {looks}."
    if found.more is None:
        return f"{what}, is open after {looks}, and looks like those so far will not settle it."
    return (
        f"{what}, is open after {looks}; about {counted(found.more, 'more look', 'more looks')} and it will "
        f"be {found.then}, if they find what those so far found."
    )


def still(names: Sequence[str]) -> str:
    """Return the sentence on values that have no chart because they never moved."""
    return "" if not names else f"Without a chart, as they never moved: {', '.join(names)}."
