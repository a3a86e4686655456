"""Files of a serving kit; MODEL in them becomes the model's name."""
