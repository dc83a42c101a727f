# Two targets do all the set-up: demo and test. The rest are their parts.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Debian packages that the tests need: independent readers of what we write, an object store, what
# the rich songs are made with, what watches a job, and a browser for the report.
TEST_PACKAGES := flac sox libsox-fmt-mp3 ceph-mon ceph-osd radosgw \
	fluidsynth fluid-soundfont-gm espeak-ng \
	prometheus prometheus-alertmanager prometheus-node-exporter \
	chromium-headless-shell

.PHONY: demo test check unit integration system-packages clean

demo: $(VENV)/.installed ## install, generate a small catalogue, separate it on Ray
	$(BIN)/latentsep demo -o demo

test: $(VENV)/.installed-dev system-packages check unit integration ## everything CI runs

check: $(VENV)/.installed-dev ## lint, format, types, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.installed-dev ## quick tests: no server but a mock of S3, no Ray
	$(BIN)/pytest -n auto tests/unit tests/golden --cov --cov-report=term:skip-covered

integration: $(VENV)/.installed-dev system-packages ## whole commands and real processes
	$(BIN)/pytest tests/integration

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(VENV)/.installed $@

system-packages: ## install what the tests need when root, else say how
	@missing=""; \
	for package in $(TEST_PACKAGES); do \
		dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	install="apt-get update && apt-get install -y --no-install-recommends$$missing"; \
	if [ "$$(id -u)" = 0 ]; then sh -c "export DEBIAN_FRONTEND=noninteractive; $$install"; \
	else echo "The tests need these packages, install them and run make test again:"; \
		echo "    sudo sh -c '$$install'"; exit 2; fi

clean:
	rm -rf $(VENV) demo build dist *.egg-info
