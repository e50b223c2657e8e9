"""What this machine lets a process use: cores, memory, threads of NumPy, folders, streams."""
