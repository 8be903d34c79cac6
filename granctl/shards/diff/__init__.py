"""What differs between two shard sets: images, labels, splits, classes, order, shards."""
