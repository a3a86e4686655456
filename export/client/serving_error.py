"""When a server does not answer as it should."""


class ServingError(RuntimeError):
    """The server does not answer, or refuses."""
