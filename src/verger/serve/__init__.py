"""The HTTP API and the page. No Spark, no JVM."""
