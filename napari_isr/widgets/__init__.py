"""The dock widgets, one package each, and what they share."""
