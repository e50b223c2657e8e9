"""What this machine lets a process use: cores, and folders of its own."""
