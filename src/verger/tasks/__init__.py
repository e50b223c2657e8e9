"""Tasks: plain functions over numbers, which an engine carries out. No Spark.

What embeds, sums up and projects is here once; an engine (`engine`) only says where it runs.
"""
