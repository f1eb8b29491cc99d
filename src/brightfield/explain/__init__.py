"""Heatmaps as people see them: overlays, files, notebooks."""
