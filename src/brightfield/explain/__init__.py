"""Presentation of heatmaps: overlays, files, notebooks."""
