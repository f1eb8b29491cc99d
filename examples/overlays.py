"""Draws the README's picture: synthetic parts, what the inspector says of them, and where it looked.

python examples/overlays.py docs/overlays.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import brightfield as bf
from brightfield.data.synthetic import make_parts
from brightfield.explain.overlay import overlay

COLUMNS = 4
GAP, CAPTION = 12, 30


def main(target: Path) -> None:
    """Train on synthetic parts, inspect four the inspector has not seen, and draw them in two rows."""
    with tempfile.TemporaryDirectory() as folder:
        make_parts(Path(folder) / "train", n_ok=120, n_defect=60, size=(260, 380), defect_px=26, seed=1)
        fresh = make_parts(Path(folder) / "new", n_ok=2, n_defect=3, size=(260, 380), defect_px=26, seed=2)
        inspector = bf.train(Path(folder) / "train", seed=0)
        chosen = [s for s in fresh.samples if s.label != "OK"] + [s for s in fresh.samples if s.label == "OK"]
        columns = [column(inspector, sample.path) for sample in chosen[:COLUMNS]]
    sheet = np.concatenate(columns, axis=1)[:, GAP:]
    Image.fromarray(sheet).save(target, optimize=True)


def column(inspector: bf.Inspector, path: Path) -> np.ndarray:
    """Return one part above, with its heatmap below, and the verdict between."""
    verdict = inspector.inspect(path)
    image = np.asarray(Image.open(path).convert("RGB"))
    below = image if verdict.heatmap is None else overlay(image, verdict.heatmap)
    height, width = image.shape[:2]
    sheet = Image.new("RGB", (width + GAP, 2 * height + CAPTION), "white")
    sheet.paste(Image.fromarray(image), (GAP, 0))
    sheet.paste(Image.fromarray(below), (GAP, height + CAPTION))
    text = f"{verdict.decision}   p(defect) = {verdict.probability:.3f}   {verdict.label}"
    colour = "#b00020" if verdict.decision == bf.Decision.DEFECT else "#1b6e3c"
    ImageDraw.Draw(sheet).text((GAP + 4, height + 6), text, fill=colour, font=ImageFont.load_default(17))
    return np.asarray(sheet)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/overlays.png"))
