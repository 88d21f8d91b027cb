"""The channels: Apprise URLs. The only place that imports apprise."""

from notifier.adapters.channels.opening import check_url, open_channels

__all__ = ["check_url", "open_channels"]
