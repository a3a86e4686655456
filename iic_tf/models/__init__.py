"""The methods as Keras models."""
