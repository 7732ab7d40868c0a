"""A trained model as files to take away."""
