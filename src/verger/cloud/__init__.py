"""The same run on AWS: planned, paid for in cents, and switched off after."""
