"""Tells, once, durably and with evidence, that a Cloudflare Network Interconnect changed its state."""
