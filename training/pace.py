"""How fast pixels are worked on, and how long the rest takes at that."""

from __future__ import annotations

from iic_tf.training.progress import clock


class Pace:
    """Megapixels a second over all that is done, and by them the time left.

    Args:
        total: pixels to be done.
    """

    def __init__(self, total: int):
        self._left = total
        self._done = 0
        self._seconds = 0.0

    def add(self, pixels: int, seconds: float) -> None:
        """So many are done, which took so long."""
        self._left -= pixels
        self._done += pixels
        self._seconds += seconds

    def skip(self, pixels: int) -> None:
        """So many will not be done."""
        self._left -= pixels

    @property
    def speed(self) -> str:
        """`1.3 MP/s`."""
        speed = self._per_second() / 1e6
        return (f"{speed:.1f}" if speed >= 1 else f"{speed:.2g}") + " MP/s"

    def __str__(self) -> str:
        """`1.3 MP/s, 0:52 left`; without the latter once nothing is left."""
        if self._left <= 0 or not self._done:
            return self.speed
        return f"{self.speed}, {clock(self._left / self._per_second())} left"

    def _per_second(self) -> float:
        return self._done / max(self._seconds, 1e-9)
