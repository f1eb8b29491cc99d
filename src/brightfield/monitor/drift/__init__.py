"""Drift of a line: what has changed, and since which part, at a known rate of false alarms."""
