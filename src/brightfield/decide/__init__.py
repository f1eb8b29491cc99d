"""Calibration and operating points."""
