"""Images under labels as WebDataset tars with an index: sources, plan, write, read."""
