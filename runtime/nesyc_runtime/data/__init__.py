"""Rows of datasets: read, typed, split, and compared across splits."""
