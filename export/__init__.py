"""What a trained run is used for: exported models and predictions."""
