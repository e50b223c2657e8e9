"""What this machine lets a process use: cores, memory, BLAS, folders, streams."""
