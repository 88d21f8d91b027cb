"""What bounds it first: the interval at which so many links of one credential can be asked, by Cloudflare's limit.

`python -m benchmarks.budget`. Nothing is measured: it is what the service reckons with.
"""

from typing import Any

from benchmarks.figures import publish
from notifier.settings import Settings
from notifier.settings.budget import kept_interval

_LINKS = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_SHARES = (0.25, 0.5, 0.9)


def interval(links: int, share: float) -> float:
    """Return the shortest interval, in seconds."""
    settings = Settings.model_validate(
        {
            "accounts": [{"id": "account", "token": "token-0000"}],
            "channels": {"noc": {"url": "json://127.0.0.1/"}},
            "poll": {"interval": "1s"},
            "cloudflare": {"rate_limit": {"share": share}},
        }
    )
    return kept_interval(settings, links).total_seconds()


def row(links: int) -> dict[str, Any]:
    """Return the row of one number of links."""
    return {"links": links} | {f"share_{share:g}_s": round(interval(links, share), 1) for share in _SHARES}


if __name__ == "__main__":
    publish("budget", [row(links) for links in _LINKS], limit="1200 requests in 5 minutes")
