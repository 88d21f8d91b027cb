"""What every test can ask for, and nothing of the machine's that could change what it sees."""

import os

pytest_plugins = ["tests.support.postgres", "tests.support.databases"]
