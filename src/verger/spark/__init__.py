"""Spark: the one place that makes a session, and the pure functions mapped over its partitions."""
