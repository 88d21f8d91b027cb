"""A simulated Cloudflare API, for trying the notifier out, for its demo and for its tests."""

from notifier.simulator import faults
from notifier.simulator.faults import Fault
from notifier.simulator.journal import Asked, Journal, Request
from notifier.simulator.limit import Limit, parse_limit
from notifier.simulator.script import Playback, Script, Step, load_script, parse_script
from notifier.simulator.server import Simulator
from notifier.simulator.world import Account, LastPage, Link, World

__all__ = [
    "Account",
    "Asked",
    "Fault",
    "Journal",
    "LastPage",
    "Limit",
    "Link",
    "Playback",
    "Request",
    "Script",
    "Simulator",
    "Step",
    "World",
    "faults",
    "load_script",
    "parse_limit",
    "parse_script",
]
