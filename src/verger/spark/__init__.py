"""Spark: its session, and the functions of rooms above mapped over partitions.

The only room that imports Spark. What `verger.ml` shows is in `spark/ml/`.
"""
