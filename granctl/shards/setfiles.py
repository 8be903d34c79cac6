"""What files of a shard set are called, beside its tars, its index and its manifest."""

BAD_NAME = "bad.csv"
"""Images left out, and why."""
DUPLICATES_NAME = "duplicates.csv"
"""Images that stand again."""
PARTS_NAME = ".parts"
"""Folder inside an unfinished shard set: what is known of each whole shard, and the plan."""
