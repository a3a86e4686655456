# Everything sets itself up: `make demo` and `make test` work on a fresh machine with Python >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WHEEL_TESTS := test_wheel.py test_recipes.py test_cli.py test_folder.py

.PHONY: help setup demo test check types docs wheel-test lock table speed clean

help:
	@echo "make demo        train, score, segment and export on made-up aerial scenes (3 minutes)"
	@echo "make test        the test suite"
	@echo "make check       ruff and mypy"
	@echo "make docs        the documentation as a site: build/site/index.html"
	@echo "make wheel-test  build the wheel and run its tests outside the checkout"
	@echo "make table       the README's table on real data: make table DATA=folder"
	@echo "make speed       benchmarks/RESULTS.md: the objective beside the textbook's (40 minutes)"
	@echo "make lock        write requirements.lock anew"

$(READY): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Expected Python >= 3.11; received " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(READY)

setup: $(READY)

demo: $(READY)
	rm -rf runs/demo runs/demo-predictions
	$(BIN)/iic-tf train --dataset scenes --recipe scenes-cpu --out runs/demo
	$(BIN)/iic-tf label runs/demo --labelled 3
	$(BIN)/iic-tf evaluate runs/demo
	$(BIN)/iic-tf predict runs/demo scenes --out runs/demo-predictions
	$(BIN)/iic-tf export runs/demo --format savedmodel
	$(BIN)/iic-tf export runs/demo --format onnx
	@echo
	@echo "Look at: runs/demo-predictions/sheet.png, runs/demo/pictures/*.png; figures: runs/demo/evaluation.json"

test: $(READY)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder tests

check: $(READY) types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy does not know setup.cfg's package_dir: it gets the three folders in their places by links.
types: $(READY)
	@rm -rf build/types && mkdir -p build/types/iic_tf
	@for part in iic_tf/*; do ln -s ../../../$$part build/types/iic_tf/; done
	@ln -s ../../../training ../../../export build/types/iic_tf/
	@# First of all by these links: in the checkout itself iic_tf has no training and no export.
	cd build/types && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p iic_tf
	cd build/types && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml ../../benchmarks/*.py

# Warnings are errors. No network: the variable keeps the theme from a notice on its successor.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel-test: $(READY)
	rm -rf build/wheel build/lib && mkdir -p build/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m venv build/wheel/venv
	@# The dependencies of .venv, but not its editable install: .pth files count in site folders only.
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > build/wheel/parent.pth
	cp build/wheel/parent.pth "$$(build/wheel/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps build/wheel/*.whl
	cp -r tests pyproject.toml build/wheel/
	cd build/wheel && venv/bin/python -m pytest -p no:cacheprovider $(addprefix tests/,$(WHEEL_TESTS))

table: $(READY)
	$(BIN)/python benchmarks/real_data.py --data $(DATA) --out runs/table

# Beside PyTorch where it is installed: .venv/bin/pip install torch
speed: $(READY)
	$(BIN)/python benchmarks/objective.py --out benchmarks

lock:
	$(BIN)/python -m pip freeze --exclude-editable | grep -v -i -E '^(torch|filelock|mpmath|sympy)==' > requirements.lock

clean:
	rm -rf build dist *.egg-info
