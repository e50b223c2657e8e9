"""STORE: what a run leaves behind, how it grows, and how it is published."""
