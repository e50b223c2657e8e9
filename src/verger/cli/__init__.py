"""What `verger` says and is told: commands, and how answers are shown.

No logic: whatever a command does, a room above does.
"""

from verger.cli.main import cli, main

__all__ = ["cli", "main"]
