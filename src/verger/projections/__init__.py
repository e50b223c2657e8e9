"""Many numbers become few: moments that merge, and PCA and discriminant of them.

NumPy alone, no Spark: this is where a projection is changed. Model files are here too.
"""
