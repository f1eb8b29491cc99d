"""Recognition of the good class by its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

NORMAL_NAMES = ("ok", "good", "normal", "pass", "free")

_BACKGROUND = frozenset({*NORMAL_NAMES, "background", "_background_", "__ignore__"})

_GOOD = frozenset({"ok", "okay", "good", "normal", "faultless", "flawless"})
"""Words that mean good parts anywhere in a name."""

_PASSED = frozenset({"pass", "passed"})
"""Words that mean good parts only at the beginning or end of a name, unlike in `boarding_pass_scan`."""

_NO = frozenset({"no", "non", "not", "without", "zero"})

_DENIALS = _NO | frozenset(
    {"never", "isn", "isnt", "false", "fake", "almost", "nearly", "barely", "hardly"}
    # in other languages too: people write nicht_ok
    | {"nicht", "kein", "keine", "pas", "niet", "geen", "ikke", "inte", "nie", "não", "nao"}
)

_PREFIXES = frozenset({"in", "un", "n"})
"""Prefixes that negate the word right after them: `nOK` is bad, but `good_in_light` negates nothing."""

_DEFECTS = frozenset(
    {"anomaly", "anomalies", "blemish", "blemishes", "crack", "cracks", "damage", "damages", "defect"}
    | {"defects", "error", "errors", "failure", "failures", "fault", "faults", "flaw", "flaws", "scratch"}
    | {"scratches"}
)
_BAD = _DEFECTS | frozenset(
    {"abnormal", "anomalous", "bad", "broken", "cracked", "damaged", "def", "defective", "defected", "fail"}
    | {"failed", "faulty", "flawed", "ko", "ng", "nok", "reject", "rejected", "rejects", "scrap", "scratched"}
)


def _any_of(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(words))})"


_LETTERS = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_WITHOUT_DEFECTS = re.compile(
    rf"""\b(?:
        {_any_of(_NO)}\ {_any_of(_BAD)}(?!\ free\b)               # no defect, non defective
      | (?:no|non|un){_any_of(w for w in _BAD if len(w) > 3)}     # nondefective
      | free\ (?:of|from)\ {_any_of(_BAD)}
      | {_any_of(_DEFECTS)}\ ?free                                # defect free, defectfree
      | (?!{_any_of(_DENIALS | _PREFIXES)}\b)\w+\ free$           # free of whatever it is: burr free
      | ^free$
    )\b""",
    re.VERBOSE,
)


def sounds_normal(name: str) -> bool:
    """Return whether a class's name says that its parts are good.

    It does if one of its words is `ok`, `good` or the like (`ok_front`, `GoodParts`), or if it negates
    defects (`no_defect`, `NonDefective`, `crack_free`). It does not if another negation or word for a defect
    remains (`not_ok`, `good_scratch`): such a name is ambiguous, and the user has to decide.
    """
    text = " ".join(_words(name))
    left = _WITHOUT_DEFECTS.sub("", text).split()
    if any(word in _DENIALS or word in _BAD for word in left):
        return False
    if any(a in _PREFIXES and b in _GOOD | _PASSED for a, b in pairwise(left)):
        return False
    if len(left) < len(text.split()):
        return True
    return not _GOOD.isdisjoint(left) or not _PASSED.isdisjoint((*left[:1], *left[-1:]))


def means_good_pixels(name: str, normal: str | None) -> bool:
    """Return whether a type of pixels is the normal class or the background, and so no defect."""
    return name == normal or name.lower() in _BACKGROUND


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without digits; `camelCase` is split."""
    words: list[str] = []
    for letters in _LETTERS.findall(unicodedata.normalize("NFC", name)):
        words += _CAMEL.findall(letters) if letters.isascii() else [letters]
    return [word.lower() for word in words]
