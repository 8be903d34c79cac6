"""Many runs, one answer: joins of tree and shards, the demo, the report."""
