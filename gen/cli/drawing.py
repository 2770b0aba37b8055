"""The device maps of a configuration: drawn, or of devices that were measured.

Like :mod:`binohm.gen.cli.actions`, this meets ``binohm.sim``, and the commands import it when they
run.
"""

from pathlib import Path

from binohm.gen.config import Config
from binohm.gen.errors import ConfigError, DataError
from binohm.gen.plan import Plan
from binohm.sim.device import draw, measured
from binohm.sim.device.map import DeviceMap
from binohm.sim.device.physics import Device

__all__ = ["device_maps"]


def device_maps(config: Config, plan: Plan) -> dict[str, DeviceMap] | None:
    """The map of every tile, by its name; None without ``[device]``.

    Raises
    ------
    ConfigError, DataError
        Of values that do not go together, and measurements that cannot be used.
    """
    if config.device is None:
        return None
    values = config.device.model_dump(exclude={"seed", "map"})
    seed, file = config.device.seed, config.device.map
    try:
        device = Device(**values)
    except ValueError as error:
        raise ConfigError(f"device.{error}") from error
    try:
        if file is None:
            return draw.draw(device, plan, seed)
        return measured.load(Path(file), plan, device, seed)
    except OSError as error:
        raise DataError(f"device.map = {file}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"device.map = {error}" if file else f"device: {error}") from error
