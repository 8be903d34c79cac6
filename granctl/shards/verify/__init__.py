"""Whether a shard set is what its manifest says: coded checks over one pass, and the mending."""
