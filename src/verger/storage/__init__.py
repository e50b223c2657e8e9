"""Where bytes lie: folders, buckets, lists on the web. One interface for all."""
