"""The edges: each vendor is imported in one place, and only here."""
