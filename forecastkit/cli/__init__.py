"""The command line: parses arguments, shows progress, calls ``run``."""

from forecastkit.cli.app import main

__all__ = ["main"]
