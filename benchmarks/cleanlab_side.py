"""The side of cleanlab, run in an environment that has it; see `label_errors.py`.

It takes a file with `probabilities` and `labels`, and prints what cleanlab proposes with its defaults, the
most doubtful first, and how many wrong labels it counts.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import warnings

import numpy as np
from cleanlab.count import num_label_issues
from cleanlab.filter import find_label_issues


def main() -> None:
    """Print one JSON document."""
    given = np.load(sys.argv[1])
    labels, probabilities = given["labels"], given["probabilities"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        issues = find_label_issues(
            labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
        )
        number = num_label_issues(labels, probabilities)
    document = {
        "version": importlib.metadata.version("cleanlab"),
        "issues": [int(i) for i in issues],
        "expected": int(number),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
