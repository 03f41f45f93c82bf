"""Benchmarks: the bars of docs/performance.md, each measured beside its peer in the same run. Not shipped."""
