"""The pyspark.ml face; `verger.ml` is its public name."""
