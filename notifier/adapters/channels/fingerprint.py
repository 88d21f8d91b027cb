"""Recognises a channel that was given another name (R18)."""

import hashlib

_SALT = b"cni-notifier channel"  # the same for ever: a fingerprint is compared with one stored before


def fingerprint(url: str) -> str:
    """Return a text that is the same for the same URL, and gives none of its secrets away (R33).

    Slow on purpose (some 50 ms): whoever steals the database can't try passwords.
    """
    return hashlib.scrypt(url.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=16).hex()
