"""What one dock widget tells the others."""

from __future__ import annotations

from psygnal import Signal


class ModelEvents:
    """Changes to the list of named models.

    Attributes
    ----------
    saved : SignalInstance
        Emitted with the name of a model that joined the user's models, in any thread.
    """

    saved = Signal(str)


model_events = ModelEvents()
