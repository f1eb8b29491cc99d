"""Names and meanings of the pixel-level figures."""

from __future__ import annotations

PIXEL_FIGURES = {
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO to 30%",
    "pixel_aupro_5": "AUPRO to 5%",
    "pixel_iou": "IoU",
    "pixel_dice": "Dice",
}

PIXEL_GLOSSARY = {
    "Pixel AUROC": "The chance that a defective pixel is hotter than a good one; 1 is perfect.",
    "AUPRO": "The share of a defect that the heatmap covers, a mean over defects of any size, averaged up to "
    "the heat that 30% (or 5%) of the good pixels reach; 1 is perfect.",
    "IoU and Dice": "Overlap of the pixels found with the pixels marked: shared area / joint area, and twice "
    "the shared area / sum of both areas; 1 is perfect.",
    "Pixel threshold": "The heat from which a pixel counts as found, chosen on "
    "calibration images; in evidence maps in units of the score.",
}
