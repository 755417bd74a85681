"""Speed and quality against named peers: `python -m benchmarks` writes RESULTS.md, `pytest benchmarks` times."""
