"""Tells defective from good parts: trains, chooses a threshold, and shows on one picture where it looked.

python examples/defects.py FOLDER    with a folder for each class, one of them called OK or good
python examples/defects.py           synthetic parts, in seconds
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image

import brightfield as bf
from brightfield.data.load import load
from brightfield.data.split import split
from brightfield.data.synthetic import make_parts
from brightfield.explain.overlay import overlay
from brightfield.pipeline.rethreshold import rethreshold


def main(data: str | None, output: Path) -> None:
    """Train, choose the threshold, test, and leave inspector, report and one overlay in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        parts = load(data) if data else make_parts(folder, n_ok=80, n_defect=45, size=(200, 300))
        dataset = split(parts, test=0.25, calibration=0.0, seed=0)
        inspector = rethreshold(bf.train(dataset, seed=0), dataset, "recall=0.95").inspector
        inspector.save(output / "inspector")
        made = bf.evaluate(inspector, dataset, output / "report")
        print(f"AUROC {made.metrics['auroc']:.3f}, escapes {made.metrics['escape_rate']['k']}")
        defective = next(s for s in made.dataset.samples if s.label != inspector.normal)
        look = inspector.look(defective.path)
        print(f"{defective.image}: {look.verdict.decision}, p(defect) = {look.verdict.probability:.3f}")
        if look.verdict.heatmap is not None:
            Image.fromarray(overlay(look.picture, look.verdict.heatmap)).save(output / "overlay.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?")
    parser.add_argument("-o", "--output", type=Path, default=Path("defects-example"))
    args = parser.parse_args()
    main(args.data, args.output)
