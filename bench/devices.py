"""Arrays as devices: ``make bench-devices`` writes ``docs/results/devices.json``.

Needs ``$BINOHM_DATA`` (``models/TFC_1W1A.onnx`` and ``mnist/``) and the extra ``train``. Everything
is seeded; times are those of the machine. Two networks are trained once, which takes a quarter of
an hour; they stay in the user's cache.
"""

from collections.abc import Callable

import bit_errors
import device_reads
import device_view
import ports
import programming
from results import Figures, Part, measure_parts


def plain(measure: Callable[[], Figures]) -> Part:
    """A part that needs no folder."""
    return lambda _: measure()


PARTS: dict[str, Part] = {
    "view": device_view.measure,
    "errors": plain(device_reads.error_rates),
    "low_gate": plain(device_reads.low_gate),
    "accuracy": plain(device_reads.accuracies),
    "flips": plain(bit_errors.measure),
    "programming": programming.measure,
    "ports": plain(ports.measure),
    "speed": plain(device_reads.speeds),
}

if __name__ == "__main__":
    measure_parts("devices", PARTS, description=__doc__.splitlines()[0], seed=1)
