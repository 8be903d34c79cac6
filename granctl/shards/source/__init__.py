"""Images as they are handed out: which kind lies there, where each image is, and its bytes."""
