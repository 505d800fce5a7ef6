"""What may go wrong with embedded servers; each text is one line that says what to do."""


class EmbeddedError(Exception):
    """A server could not be found, started or reached. The text is for the operator."""
