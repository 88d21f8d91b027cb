"""The configuration: a file and the environment, read once into one frozen `Settings`."""

from notifier.settings.alerting import matcher_of, routes_of, windows_of
from notifier.settings.json_schema import schema
from notifier.settings.loading import files, load
from notifier.settings.model import (
    AccountSettings,
    ChannelSettings,
    CloudflareSettings,
    DetectionSettings,
    LogSettings,
    MatchSettings,
    PollSettings,
    RateLimitSettings,
    RetentionSettings,
    Settings,
    WebSettings,
)

__all__ = [
    "AccountSettings",
    "ChannelSettings",
    "CloudflareSettings",
    "DetectionSettings",
    "LogSettings",
    "MatchSettings",
    "PollSettings",
    "RateLimitSettings",
    "RetentionSettings",
    "Settings",
    "WebSettings",
    "files",
    "load",
    "matcher_of",
    "routes_of",
    "schema",
    "windows_of",
]
