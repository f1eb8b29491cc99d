"""Pipelines: train an inspector and save it, and choose its operating point again."""
