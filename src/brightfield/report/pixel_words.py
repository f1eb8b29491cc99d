"""Names and meanings of the pixel-level figures."""

from __future__ import annotations

PIXEL_FIGURES = {
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO to 30%",
    "pixel_aupro_5": "AUPRO to 5%",
    "pixel_iou": "IoU",
    "pixel_dice": "Dice",
    "pixel_mean_iou": "mean IoU",
}

PIXEL_GLOSSARY = {
    "Pixel AUROC": "The chance that a defective pixel is hotter than a good one; 1 is perfect.",
    "AUPRO": "The share of a defect that the heatmap covers, a mean over defects of any size, averaged up to "
    "the heat that 30% (or 5%) of the good pixels reach; 1 is perfect.",
    "IoU and Dice": "Overlap of the pixels found with the pixels marked: shared area / joint area, and twice "
    "the shared area / sum of both areas; 1 is perfect.",
    "Mean IoU": "IoU of each defect type and of the background, averaged; a pixel found as another type is "
    "wrong.",
    "Defect found": "A connected defect of the mask that one connected region of found pixels overlaps with "
    "an IoU above 0.3. It is seen if any of its pixels was found. A region that matches no defect is false.",
    "Pixel threshold": "The heat from which a pixel counts as found, chosen on "
    "calibration images; in evidence maps in units of the score.",
}
