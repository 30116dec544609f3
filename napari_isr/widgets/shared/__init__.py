"""Fields, notes, lists and workers that the dock widgets share."""
