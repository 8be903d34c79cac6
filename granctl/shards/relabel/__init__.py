"""Other classes for an existing shard set: a view of it, new shards, or in place."""
