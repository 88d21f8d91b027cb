"""The configuration: a file and the environment, read once into one frozen `Settings`."""

from notifier.settings.json_schema import schema
from notifier.settings.loading import load
from notifier.settings.model import (
    AccountSettings,
    ChannelSettings,
    CloudflareSettings,
    DetectionSettings,
    LogSettings,
    PollSettings,
    RateLimitSettings,
    RetentionSettings,
    Settings,
)

__all__ = [
    "AccountSettings",
    "ChannelSettings",
    "CloudflareSettings",
    "DetectionSettings",
    "LogSettings",
    "PollSettings",
    "RateLimitSettings",
    "RetentionSettings",
    "Settings",
    "load",
    "schema",
]
