"""The job: from a folder to an inspector on disk, and choosing its operating point again."""
