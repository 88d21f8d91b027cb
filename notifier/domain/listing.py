"""What a complete listing says about which interconnects there are (R9)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from notifier.domain.interconnect import Interconnect

UNLISTED = "Cloudflare lists it no more"
UNWATCHED = "no longer watched"
REPLACED = "Cloudflare lists another link under its name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An interconnect that was listed before.

    `missing` counts the complete listings in a row without it. `watched` is False once it was removed.
    """

    link: Interconnect
    missing: int = 0
    watched: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """Which interconnects there are after a listing.

    `watched` are all to watch from now on, with the number of listings in a row that each was missing from.
    Of these, `returned` were removed before; `renewed` are other links than those last known by their names, and
    one that was watched until now is in `removed` as well. `removed` says, by name, why each is watched no more.
    """

    watched: tuple[tuple[Interconnect, int], ...]
    returned: tuple[Interconnect, ...]
    renewed: tuple[Interconnect, ...]
    removed: Mapping[str, str]


def call_roll(
    known: Mapping[str, Known],
    listed: Iterable[Interconnect],
    *,
    takes: Callable[[str], bool],
    removed_after: int,
) -> Roll:
    """Compare what is known, by name, with a complete listing.

    `takes` says which names are to be watched: what it refuses is removed at once, what is not listed after
    `removed_after` (≥ 1) listings.
    """
    present = {link.name: _as_known(link, known.get(link.name)) for link in listed if takes(link.name)}
    before = {name: each for name, each in known.items() if each.watched}
    absent = {name: replace(each, missing=each.missing + 1) for name, each in before.items() if name not in present}
    renewed = [link for name, link in present.items() if name in known and _is_another(link, known[name].link)]
    removed = {link.name: REPLACED for link in renewed if link.name in before}
    removed |= {name: UNLISTED for name, each in absent.items() if each.missing >= removed_after}
    removed |= {name: UNWATCHED for name in absent if not takes(name)}
    kept = [(each.link, each.missing) for name, each in absent.items() if name not in removed]
    return Roll(
        watched=(*((link, 0) for link in present.values()), *kept),
        returned=tuple(link for name, link in present.items() if name in known and name not in before),
        renewed=tuple(renewed),
        removed=removed,
    )


def _as_known(link: Interconnect, known: Known | None) -> Interconnect:
    """Keep a reservation that this listing leaves out: the next one may tell another link by it."""
    if known is None or link.reservation is not None:
        return link
    return replace(link, reservation=known.link.reservation)


def _is_another(link: Interconnect, than: Interconnect) -> bool:
    both_known = link.reservation is not None and than.reservation is not None
    return both_known and link.reservation != than.reservation
