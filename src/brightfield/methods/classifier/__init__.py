"""The classifier: a backbone with a head, on whole pictures or on tiles, of which the worst decides."""
