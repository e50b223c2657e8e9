"""The names of what lies in a STORE."""

FEATURES, REJECTS, MATRIX = "features", "rejects", "matrix"
PROJECTION, GALLERY, MATRIX_CSV, RECORD = "projection", "gallery", "matrix.csv", "run.json"
REPORT, PAGE = "report", "report.html"  # what a run's report is, and its page in that folder
