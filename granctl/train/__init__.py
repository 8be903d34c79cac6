"""Pretraining and transfer; the one room that imports torch, inside functions that compute."""
