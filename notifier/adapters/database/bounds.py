"""How long is waited for PostgreSQL, at each of its steps: nothing is waited for without end."""

CONNECT_S = 5
ANSWER_S = 30
GOODBYE_S = 0.5  # from each connection, one after the other: a stop must not wait for a server that says nothing
STATEMENT_MS = 25_000  # the server gives up first: it knows better what it is doing
FROZEN_MS = 15_000  # without a statement within a transaction; the network is never used inside one
