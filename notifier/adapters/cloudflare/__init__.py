"""Cloudflare's CNI API; the only place that imports httpx and aiohttp for it. See docs/cloudflare.md."""

from notifier.adapters.cloudflare.api import CloudflareApi, trusted
from notifier.adapters.cloudflare.credential import Credential, Key, Token

__all__ = ["CloudflareApi", "Credential", "Key", "Token", "trusted"]
