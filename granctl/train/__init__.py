"""Pretraining and transfer; the only room that imports torch, and only inside functions that compute."""
