"""What every test can ask for; and nothing in the user's environment changes what a test sees."""

import os

pytest_plugins = [
    "tests.support.browser",
    "tests.support.databases",
    "tests.support.postgres",
    "tests.support.pgbouncer",
    "tests.support.ran_on",
    "tests.support.receivers",
    "tests.support.stage",
    "tests.support.stepped",
]

_MEDDLING = ("CLOUDFLARE_", "NOTIFIER_", "PG", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PIP_PREFIX", "PIP_TARGET")

for name in list(os.environ):
    if name.upper().startswith(_MEDDLING) and not name.startswith("NOTIFIER_TEST_"):
        del os.environ[name]
