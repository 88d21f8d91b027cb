"""What the service costs, carries and withstands; see docs/performance.md."""

NAMES = (
    "budget",
    "start",
    "statements",
    "cost",
    "growth",
    "latency",
    "sustained",
    "restart",
    "delivering",
    "storm",
    "replicas",
    "page",
    "record",
    "month",
    "endurance",
)
