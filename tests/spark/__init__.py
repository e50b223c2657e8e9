"""Tests of whole runs: Spark starts once for most of them, and once a test for a few."""
