"""File output: atomic writes, disk space, file names, bundles as folders or zip files."""
