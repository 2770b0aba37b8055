"""From a trained network and a configuration to a build directory."""
