"""Scores, calibration, policies, guarantees and costs: from a score to a decision."""
