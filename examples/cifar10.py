"""Names the class of small pictures: trains, judges the test images, prints the confusion matrix, saves.

python examples/cifar10.py FOLDER    with train/CLASS and test/CLASS, or `cifar10` once it is fetched
python examples/cifar10.py           synthetic parts of 48 px, in seconds
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import brightfield as bf
from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.data.synthetic import make_parts


def main(data: str | None, output: Path) -> None:
    """Train and test, and leave the inspector and its report in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        dataset, options = (load(data), {}) if data else few_small_pictures(Path(folder))
        inspector = bf.train(dataset, output / "inspector", seed=0, **options)
        made = bf.evaluate(inspector, dataset, output / "report")
    print(f"accuracy {made.metrics['accuracy']:.3f} on {made.metrics['n']} test images; rows are the truth")
    print(f"{'':12}", *(f"{name[:10]:>10}" for name in made.metrics["classes"]))
    for name, row in zip(made.metrics["classes"], made.metrics["confusion_matrix"], strict=True):
        print(f"{name[:12]:12}", *(f"{count:10}" for count in row))


def few_small_pictures(folder: Path) -> tuple[bf.Dataset, dict[str, Any]]:
    """Return parts whose classes are names and no more, and options with which a few of them suffice."""
    parts = make_parts(folder, n_ok=80, n_defect=240, size=(48, 48), defect_px=9)
    shared_out = split(replace(parts, normal=None), test=0.25, calibration=0.1, seed=0)
    return shared_out, {"backbone": "fast_cnn", "epochs": 4, "batch": 32}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?")
    parser.add_argument("-o", "--output", type=Path, default=Path("cifar10-example"))
    args = parser.parse_args()
    main(args.data, args.output)
