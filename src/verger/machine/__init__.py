"""What this machine lets a process use: cores, memory, folders, streams, extras."""
