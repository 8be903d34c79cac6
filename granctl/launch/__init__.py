"""Work on other machines: a real scheduler is driven, nothing of one is built here."""
