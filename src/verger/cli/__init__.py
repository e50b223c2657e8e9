"""The command line: `verger`. No logic."""

from verger.cli.main import cli, main

__all__ = ["cli", "main"]
