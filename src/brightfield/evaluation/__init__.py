"""Metrics, intervals, and the evaluation of an inspector."""
