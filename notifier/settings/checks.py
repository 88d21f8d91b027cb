"""What no single setting can tell: secrets given in files, and settings that depend on each other."""

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from notifier.settings.draft import Draft
from notifier.settings.outline import Path, dotted
from notifier.settings.wording import found

_FILE = "_file"


def take_secret_files(draft: Draft, folder: FilePath) -> None:
    """Read the file that stands beside a secret; relative paths begin at `folder`."""
    for path in list(_files(draft)):
        secret: Path = (*path[:-1], str(path[-1]).removesuffix(_FILE))
        name = draft.get(path)
        if draft.get(secret) is not None:
            draft.wrong(path, f"found {dotted(secret[-1:])} beside it; give one of them")
        elif isinstance(name, str) and name:
            _take(draft, path, secret, folder / name)


def _files(draft: Draft) -> Iterator[Path]: ...
