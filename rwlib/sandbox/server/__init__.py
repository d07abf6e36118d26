"""The sandbox as a server on loopback: its state, its control interface and its processes."""
