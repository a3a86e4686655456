"""Recipes, runs and their folders, scores."""

from iic_tf.training.of_run import from_run

__all__ = ["from_run"]
