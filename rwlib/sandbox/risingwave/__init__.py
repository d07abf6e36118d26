"""RisingWave Cloud as the sandbox plays it: the management API, clusters and their engine."""
