"""From a source to a shard set: what is asked, selection, plan, packing, the end."""
