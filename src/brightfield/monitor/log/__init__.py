"""The log of verdicts: every answer that was given, kept before it was given."""
