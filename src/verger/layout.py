"""The names of what lies in a STORE."""

FEATURES, REJECTS, MATRIX = "features", "rejects", "matrix"
PROJECTION, GALLERY, MATRIX_CSV, RECORD = "projection", "gallery", "matrix.csv", "run.json"
