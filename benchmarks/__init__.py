"""Speed, detection and latency beside peers, in one run."""
