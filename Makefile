# `make console` and `make test` set everything up in .venv by themselves. Other verbs: `make help`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# The tests start hundreds of interpreters; without bytecode files each would compile our modules again.
unexport PYTHONDONTWRITEBYTECODE
SOURCES := $(wildcard src/wavtools/*.pyx src/wavtools/*.pxd src/wavtools/_native/*)

.DEFAULT_GOAL := help
.PHONY: help console test interop network platforms textual bench neon coverage format lint types docs maps build tsan asan soak fuzz wheel wheels release clean

help:  ## list the verbs
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# The environment of `make console`: as little as it needs. Compiling begins while packages are downloaded.
$(VENV)/.console: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "wavtools needs Python 3.10 or newer; say: make PYTHON=python3.11")'
	@$(PYTHON) -c 'import os, sysconfig; p = sysconfig.get_path("include"); os.path.exists(p + "/Python.h") or exit("Python headers are missing in %s: install python3-dev (Debian) or your system'"'"'s equivalent" % p)'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python cannot make virtual environments: install python3-venv (Debian)"; exit 1; }
	@echo "setting up $(VENV), once: about a minute and 500 MB"
	$(PYTHON) -m venv $(VENV)
	@echo "... what compiles: setuptools, Cython, NumPy"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'setuptools>=77' 'Cython>=3.1,<4' 'numpy>=2'
	@echo "... the C extensions; meanwhile the console, the offline server and its speech models"
	@$(BIN)/python setup.py --quiet build_ext --inplace & compiling=$$!; \
		$(BIN)/python tools/requirements.py console offline >$(VENV)/console.txt; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/console.txt; \
		fetched=$$?; wait $$compiling && exit $$fetched
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@ $(VENV)/.built

# What all other verbs need.
$(VENV)/.installed: $(VENV)/.console
	@echo "... what tests, checks and documentation need"
	@$(BIN)/python tools/requirements.py all dev docs >$(VENV)/all.txt
	$(BIN)/python -m pip install --quiet -r $(VENV)/all.txt
	@touch $@

$(VENV)/.built: $(VENV)/.console setup.py $(SOURCES)
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

build: $(VENV)/.installed $(VENV)/.built  ## set up .venv and compile what changed

console: $(VENV)/.built  ## talk to the model; with no key set, to the offline server inside
	$(BIN)/python -m console

test: build  ## run the test suite
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

# Environments of their own: these programs pin other versions of our dependencies. Needs Node 20 and Python 3.11.
# The server is installed without its dependencies, which are torch and the models; its needs are listed beside it.
INTEROP := build/interop
$(INTEROP)/.installed: $(addprefix tests/interop/,clients.txt package.json server.txt server_needs.txt)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make interop needs Python 3.11 or newer; say: make interop PYTHON=python3.11")'
	$(PYTHON) -m venv $(INTEROP)/clients
	$(INTEROP)/clients/bin/python -m pip install --quiet -r tests/interop/clients.txt
	$(PYTHON) -m venv $(INTEROP)/server
	$(INTEROP)/server/bin/python -m pip install --quiet -r tests/interop/server_needs.txt
	$(INTEROP)/server/bin/python -m pip install --quiet --no-deps -r tests/interop/server.txt
	cp tests/interop/package.json $(INTEROP)
	npm install --prefix $(INTEROP) --no-audit --no-fund --loglevel=error
	@touch $@

interop: build $(INTEROP)/.installed  ## let clients and a server that others wrote talk to ours
	WAVTOOLS_INTEROP=1 $(BIN)/python -m pytest tests/interop

# Beside the environment, because that has the newest one.
textual: build  ## run the console's screen tests on the lowest Textual that pyproject.toml allows
	lowest=$$(sed -n 's/.*"textual>=\([0-9.]*\)".*/\1/p' pyproject.toml) && \
	$(BIN)/python -m pip install --quiet --upgrade --target build/textual-$$lowest "textual==$$lowest" && \
	PYTHONPATH=build/textual-$$lowest $(BIN)/python -m pytest $(PYTEST_FLAGS) \
		tests/console/test_screen.py tests/console/test_screen_*.py tests/console/test_looks.py tests/console/test_welcome.py

bench: build  ## compare with peers and write benchmarks/RESULTS.md
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[bench]'
	$(BIN)/python -m benchmarks

platforms: build  ## run on every audio system and platform that this machine can be; write docs/platforms.md
	$(BIN)/python -m pip install --quiet ziglang
	WAVTOOLS_SOAK=1 WAVTOOLS_RECORDS=docs/data/platforms $(BIN)/python -m pytest tests/platforms; \
		status=$$?; $(BIN)/python tools/platforms_page.py; exit $$status

neon: build  ## count the kernels' instructions on arm64, with NEON and without; needs the cross compiler and qemu-user
	$(BIN)/python -m benchmarks.neon_counts

coverage: build  ## run the tests of realtime; fails below 100 % of its lines and branches
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -q --hypothesis-seed=0 tests/realtime tests/test_package.py
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

format: build  ## write the code in the project's style, and mend what can be mended by rule
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: build  ## style and static checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cython-lint src/wavtools/*.pyx src/wavtools/*.pxd examples/downstream/*.pyx

types: build  ## mypy --strict over the packages; the compiled modules against their stubs
	$(BIN)/mypy
	MYPYPATH=src $(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml $(basename $(subst /,.,$(patsubst src/%,%,$(wildcard src/wavtools/*.pyx))))

docs: build  ## build the documentation into build/docs/html; warnings and broken links are errors
	$(BIN)/python -m sphinx -q -W --keep-going -d build/docs/doctrees docs build/docs/html

maps:  ## write the tables of modules and of their tests anew
	$(BIN)/python tools/module_map.py

tsan: build  ## ThreadSanitizer over the ring and a live duplex device, seeded bugs included
	$(BIN)/python tools/sanitize.py thread
	WAVTOOLS_TSAN=1 $(BIN)/python -m pytest -q tests/native/test_spsc.py

asan: build  ## AddressSanitizer and UBSan over the wavtools tests
	$(BIN)/python tools/sanitize.py address,undefined

soak: build  ## the long forms of the fault tests
	WAVTOOLS_SOAK=1 $(BIN)/python -m pytest -q tests/wavtools/test_files_damaged.py \
		tests/wavtools/test__supervisor.py tests/wavtools/test__device.py \
		tests/wavtools/test_pcm.py tests/wavtools/test_long_recording.py tests/wavtools/test_player_scripts.py \
		tests/realtime/test_network_bench.py \
		tests/realtime/test_link.py::test_connections_leave_nothing_behind
	WAVTOOLS_FUZZ_VALUES=1000000 $(BIN)/python -m pytest -q --timeout 0 tests/realtime/test_relay_fuzz.py \
		tests/realtime/test_session_fuzz.py tests/realtime/test_reducer_fuzz.py tests/console/test_fuzz.py
	WAVTOOLS_FUZZ_FRAMES=1000000 $(BIN)/python -m pytest -q --timeout 0 tests/realtime/test_offline_fuzz.py \
		tests/realtime/test_offline_fuzz_values.py

fuzz: build  ## feed a million random values through each surface that strangers reach
	$(BIN)/python -m tests.fuzz_run

network: build  ## hold 50 spoken turns on a lossy slow line, and one on each broken one
	WAVTOOLS_SOAK=1 $(BIN)/python -m pytest -q tests/realtime/test_network_bench.py

wheel: build  ## build the sdist, and the wheel from the sdist
	$(BIN)/python -m build

wheels: build  ## build and test wheels for every CPython found here; WHEELS_FLAGS=--short for one
	$(BIN)/python tools/check_wheels.py $(WHEELS_FLAGS)

release: build  ## VERSION=0.2.0: check, then write version and changelog, commit and tag; see docs/releasing.md
	$(BIN)/python tools/release.py $(VERSION)

clean:  ## remove everything that was built
	rm -rf build dist $(VENV) src/*.egg-info
	find src -name '*.so' -o -name '*.pyd' | xargs rm -f
