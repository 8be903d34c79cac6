"""Shard sets and sources behind URLs: requests that are tried again, caches, uploads."""
