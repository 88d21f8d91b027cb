"""Which replica watches which account: evenly, and with as few moves as that takes (R29)."""

from collections.abc import Collection, Mapping


def spread(able: Mapping[str, Collection[str]], held: Mapping[str, str]) -> dict[str, str]:
    """Say which replica is to watch each account.

    `able` are the live replicas with the accounts that each can watch; `held` says who watches which now. Whoever
    computes it from the same finds the same. Nobody holds two accounts more than another who could take one of them;
    an account that nobody can watch is left out.
    """
    accounts = sorted({account for its in able.values() for account in its})
    can = {account: sorted(replica for replica, its in able.items() if account in its) for account in accounts}
    share = {account: held[account] for account in accounts if held.get(account) in can[account]}
    for account in accounts:
        if account not in share:
            share[account] = _lightest(can[account], share)
    while (move := _move(can, share)) is not None:
        account, to = move
        share[account] = to
    return share


def _load(replica: str, share: Mapping[str, str]) -> int:
    return sum(holder == replica for holder in share.values())


def _lightest(replicas: Collection[str], share: Mapping[str, str]) -> str:
    return min(replicas, key=lambda replica: (_load(replica, share), replica))


def _move(can: Mapping[str, Collection[str]], share: Mapping[str, str]) -> tuple[str, str] | None:
    """Find an account of the most loaded that makes the loads more even where it goes."""
    for account, holder in sorted(share.items(), key=lambda each: (-_load(each[1], share), each)):
        to = _lightest(can[account], share)
        if _load(holder, share) - _load(to, share) > 1:
            return account, to
    return None
