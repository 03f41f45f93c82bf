# Needs only: python3 (>= 3.11) with pip, and make. Works as root or not.
PYTHON ?= python3
TOOLS := .tools
UV := $(TOOLS)/bin/uv
PY := .venv/bin/python
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
export PYTHONDONTWRITEBYTECODE :=

.PHONY: restore-drill help venv demo test check format bench model lock clean
help:
	@echo "make demo    install into .venv and run the main job on loopback"
	@echo "make test    install what tests need and run them all"
	@echo "make check   format, lint, types, imports, house rules, docs"
	@echo "make bench   the speed bars against Debian's Postfix"
	@echo "make model   the long explicit-state runs of the custody model"
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

bench: .venv/.stamp-dev
	$(PY) -m bench $(ARGS)

model: .venv/.stamp-dev
	$(PY) -m proof.model all

lock: | $(UV)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group build pyproject.toml -o requirements/run.txt
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group dev pyproject.toml -o requirements/dev.txt

clean:
	rm -rf .venv .tools
