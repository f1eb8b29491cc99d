"""The classifier: a backbone with a head, on whole pictures or on overlapping tiles of which the worst decides."""
