"""Inspection methods: the protocols for training and inference, the registry, and one folder a method."""
