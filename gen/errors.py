"""Errors a user can cause and a user can fix."""

__all__ = [
    "BinohmError",
    "CapacityError",
    "ConfigError",
    "DataError",
    "ModelError",
    "OutputError",
    "ToolError",
]


class BinohmError(Exception):
    """Base of every error the command line reports in one line, with exit status 2."""


class ConfigError(BinohmError):
    """A configuration that cannot be built. Names the key, the value and the range."""


class CapacityError(BinohmError):
    """A network that does not fit the arrays. Names the layer, the need and the cure."""


class ModelError(BinohmError):
    """A model file that cannot be used. Names the file or node, the reason and the cure."""


class DataError(BinohmError):
    """A data set that cannot be used. Names the file, the reason and the cure."""


class OutputError(BinohmError):
    """An output that cannot be written, or a build directory that cannot be read."""


class ToolError(BinohmError):
    """A missing or failing tool. Names the tool and how to get it."""
