"""Photos of the orchard: rendering, reading and listing them."""
