"""Moments that merge, and the projections that are fitted to them. No Spark."""
