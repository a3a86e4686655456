"""Paired views: drawing g, applying it, and undoing its geometry."""
