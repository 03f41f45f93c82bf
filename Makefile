# Needs only: python3 (>= 3.11) with pip, and make. Works as root or not.
PYTHON ?= python3
TOOLS := .tools
UV := $(TOOLS)/bin/uv
PY := .venv/bin/python
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help venv demo test check format bench bench-guard model sim chaos overload crashpoints powerloss restore-drill lock clean
help:
	@echo "make demo    install into .venv and run the main job on loopback"
	@echo "make test    install what tests need and run them all"
	@echo "make check   format, lint, types, imports, house rules, docs"
	@echo "make bench   the speed bars against Debian's Postfix, on Debian's Python (BENCH_PYTHON=)"
	@echo "make bench-guard  one ratio and one count of them, with low floors, as CI does"
	@echo "make model   the long explicit-state runs of the custody model"
	@echo "make chaos   kill -9, partitions and lost replies on real processes for T seconds (300), then the ledger; root"
	@echo "make overload  five times too much mail for T seconds (60), kill -9 under load, a full disk; root and gcc"
	@echo "make crashpoints  each durable call fails or is the last one, 2,000 points (needs gcc, strace)"
	@echo "make powerloss    power fails at each instant, 10,000 states (needs gcc; fuse3 for its sample)"
	@echo "make sim     SEEDS=2500: simulate so many whole systems with faults; SEED=n replays one, with its trace"
	@echo "make restore-drill  restores and roll-backs at random points, then the books"
	@echo "make lock    resolve the requirement files anew"

$(UV):
	@# what counts is the program: some Python wrappers fail after a good installation when they are not writable
	$(PYTHON) -m pip install -q --disable-pip-version-check --no-warn-script-location --target $(TOOLS) uv || test -x $(UV)

# Run-time only: what `make demo` needs.
.venv/.stamp-run: requirements/run.txt pyproject.toml | $(UV)
	@echo "installing pratique into .venv ..."
	$(UV) venv -q --allow-existing --python $(PYTHON) .venv
	$(UV) pip install -q --python .venv --require-hashes -r requirements/run.txt
	$(UV) pip install -q --python .venv --no-deps --no-build-isolation -e .
	@touch $@

.venv/.stamp-dev: requirements/dev.txt .venv/.stamp-run | $(UV)
	@echo "installing the test tools into .venv ..."
	$(UV) pip install -q --python .venv --require-hashes -r requirements/dev.txt
	@touch $@

venv: .venv/.stamp-run

demo: venv
	.venv/bin/pratique demo $(ARGS)

test: .venv/.stamp-dev
	$(PY) -m pytest -q -n 2 --dist loadfile $(ARGS)

format: .venv/.stamp-dev
	.venv/bin/ruff format -q .
	.venv/bin/ruff check -q --fix .

check: .venv/.stamp-dev
	.venv/bin/ruff format --check -q .
	.venv/bin/ruff check -q .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m pytest -q tests/tidy tests/docs

restore-drill: .venv/.stamp-dev
	$(PY) -m tests.drill.restore $(ARGS)

# The peers are Debian's builds, so ours runs on Debian's Python where there is one: a Python that was built without
# optimisation, as some version managers do, takes a fifth more processor time.
BENCH_PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo /usr/bin/python3 || echo $(PYTHON))

.venv-bench/.stamp: requirements/run.txt requirements/dev.txt pyproject.toml | $(UV)
	@echo "installing into .venv-bench, for $(BENCH_PYTHON) ..."
	$(UV) venv -q --allow-existing --python $(BENCH_PYTHON) .venv-bench
	$(UV) pip install -q --python .venv-bench --require-hashes -r requirements/run.txt -r requirements/dev.txt
	$(UV) pip install -q --python .venv-bench --no-deps --no-build-isolation -e .
	@touch $@

bench: .venv-bench/.stamp
	.venv-bench/bin/python -m bench $(ARGS)

bench-guard: .venv/.stamp-dev
	$(PY) -m bench.guard

model: .venv/.stamp-dev
	$(PY) -m proof.model all

chaos: .venv/.stamp-dev
	$(PY) -m tests.chaos --seconds $(or $(T),300) $(ARGS)

overload: .venv/.stamp-dev
	$(PY) -m tests.overload --seconds $(or $(T),60) $(ARGS)

crashpoints: .venv/.stamp-dev
	$(PY) -m proof.durable.crashpoints $(ARGS)

powerloss: .venv/.stamp-dev
	$(PY) -m proof.durable.powerloss $(ARGS)

SEEDS ?= 2500
sim: .venv/.stamp-dev
	nice -n 10 $(PY) -m tests.sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(ARGS)

lock: | $(UV)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group build pyproject.toml -o requirements/run.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf .venv .venv-bench .tools
