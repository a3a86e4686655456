"""Recipes, runs and their folders, scores."""
