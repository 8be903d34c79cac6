"""Taxonomies, label lists, cuts and label maps: pure functions over immutable arrays."""
