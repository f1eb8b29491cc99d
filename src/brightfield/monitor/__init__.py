"""The line in use: a log of verdicts, drift, audit and review."""
