"""The edges: each vendor is imported in one place, and only here."""

import sys

# httpx's own command line would bring rich and pygments along: a sixteenth of the time that the imports take, and 3 MB.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None stands for a module that can't be had
