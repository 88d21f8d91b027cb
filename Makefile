# Each target sets up what it needs: git, make and Python >= 3.11 are enough. PYTHON=python3.12 chooses the Python.
# From another folder: make -C FOLDER demo

.PHONY: help demo run test test-all test-kill test-chaos test-property test-replay audit bench check format lock schema clean .ready

help:
	@echo "make demo    watch the service at work against a simulated Cloudflare (STAY=1: until Ctrl-C)"
	@echo "make run     run the service (CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID, NOTIFIER_CHANNELS)"
	@echo "make test    every test, on SQLite and on PostgreSQL"
	@echo "make test-all   every test on Python 3.11, 3.12 and 3.13"
	@echo "make test-kill  the service killed 200 times, on each database (about 30 minutes)"
	@echo "make test-chaos three replicas while everything fails at random (SECONDS=600, NOTIFIER_TEST_SEED=…)"
	@echo "make audit   known vulnerabilities in what is locked to run (needs the network)"
	@echo "make test-property  500 random histories of 40 steps each (about an hour)"
	@echo "make test-replay  300 random histories replayed with unchanged settings (about 20 minutes)"
	@echo "make bench   every measurement in its short form (about 15 minutes); LONG=1: whole; NAME=cost: that one"
	@echo "make check   format, lint, types, contracts, schema, quick tests"
	@echo "make format | schema | lock | clean"

demo: .ready
	@.venv/bin/python -m notifier demo $(if $(STAY),--stay)

run: .ready
	@exec .venv/bin/python -m notifier run

test: .ready
	@scripts/test

test-all:
	@scripts/test-all

test-kill: .ready
	@NOTIFIER_TEST_KILLS=$(or $(KILLS),200) .venv/bin/python -m pytest -s -o faulthandler_timeout=0 --all-databases tests/e2e/test_kill.py

test-chaos: .ready
	@NOTIFIER_TEST_SECONDS=$(or $(SECONDS),600) .venv/bin/python -m pytest -s -o faulthandler_timeout=0 tests/e2e/test_chaos.py

audit: .ready
	@scripts/audit

test-property: .ready
	@NOTIFIER_TEST_EXAMPLES=$(or $(EXAMPLES),500) .venv/bin/python -m pytest -s -o faulthandler_timeout=0 tests/integration/test_scenario_46.py

test-replay: .ready
	@NOTIFIER_TEST_EXAMPLES=$(or $(EXAMPLES),300) .venv/bin/python -m pytest -s -o faulthandler_timeout=0 tests/integration/test_replay_property.py

bench: .ready
	@.venv/bin/python -m benchmarks $(if $(LONG),,--short) $(NAME)

check: .ready
	@scripts/check

format: .ready
	@.venv/bin/python -m ruff format .
	@.venv/bin/python -m ruff check --fix .

schema: .ready
	@.venv/bin/python -m notifier config schema >.venv/schema && mv .venv/schema config/notifier.schema.json

lock: .ready
	@scripts/lock --upgrade

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

# Never a file: scripts/setup knows, at once, whether there is anything to do.
.ready:
	@scripts/setup
