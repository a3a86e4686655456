"""Whether a server can be reached, told within seconds."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request

SECONDS = 8.0
"""Longer waits nobody for a name or a server: without network a command ends at once."""


def not_reached(url: str, seconds: float = SECONDS) -> str:
    """Why a server does not answer; empty where it does, whatever it says.

    Args:
        url: of something on it; nothing of it is fetched.
        seconds: to wait at most, for the server's name as well.
    """
    said = [f"no answer from {url} within {seconds:g} s"]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=seconds):
                said[0] = ""
        except urllib.error.HTTPError:
            # It answers.
            said[0] = ""
        except Exception as error:
            said[0] = str(getattr(error, "reason", error))

    # A look-up of a name has no time limit of its own; as a daemon it keeps nobody waiting.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return said[0]
