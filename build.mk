# What the Makefile of each function and layer shares. `sam build` calls them in their own folder with ARTIFACTS_DIR.
#
# Bytecode: SAM's zips carry 1980 timestamps, so bytecode that is checked by timestamp is never valid there, and Lambda
# cannot write its own. It must be unchecked (PEP 552), and made by the very minor version that will load it.
MAKEFLAGS += --no-print-directory
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
ARCH ?= arm64
PYTHON_VERSION ?= 3.13
UV ?= $(or $(wildcard $(ROOT)/.venv/bin/uv),uv)
PLATFORM := $(if $(filter arm64,$(ARCH)),aarch64,$(ARCH))-manylinux_2_28

# A Python of that version: on PATH, uv's own, or pyenv's (whose shims may lead nowhere).
COMPILER := $(shell PATH="$$PATH$$(printf ':%s' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(PYTHON_VERSION).*/bin)" \
	$(UV) python find --system --no-project --no-python-downloads $(PYTHON_VERSION) 2>/dev/null)

# $(call install,REQUIREMENTS,TARGET): wheels for Lambda's platform, whatever this machine is; without commands, stubs,
# tests and installers' records. importlib.metadata needs the rest of *.dist-info.
define install
$(UV) pip install --quiet --target $(2) --python-platform $(PLATFORM) --python-version $(PYTHON_VERSION) \
	--only-binary :all: --no-deps --require-hashes --no-installer-metadata --link-mode copy -r $(1)
rm -rf $(2)/bin $(2)/.lock
find $(2) -depth \( -name tests -o -name '*.pyi' -o -name RECORD -o -name __pycache__ \) -exec rm -rf {} +
endef

# $(call copy,SOURCE,TARGET): a package of ours.
define copy
mkdir -p $(2)
tar --create --exclude=__pycache__ --exclude=Makefile --directory=$(1) . | tar --extract --directory=$(2)
endef

# $(call finish,FOLDER,WHERE): the bytecode of FOLDER, which will be mounted at WHERE; readable by Lambda's user.
define finish
$(if $(COMPILER),env -u PYTHONPATH -u PYTHONDONTWRITEBYTECODE PYTHONHASHSEED=0 $(COMPILER) -m compileall -q -f \
	--invalidation-mode unchecked-hash -s $(1) -p $(2) $(1),\
	@echo "note: there is no python$(PYTHON_VERSION) here to make bytecode with: cold starts will take twice as long")
chmod -R u=rwX,go=rX $(1)
endef

.PHONY: compiler runtime
compiler:
	@echo $(COMPILER)

runtime:
	@rm -rf $(TARGET) $(TARGET).new
	@$(call install,$(ROOT)/requirements/runtime.txt,$(TARGET).new)
	@$(call finish,$(TARGET).new,/var/runtime)
	@mv $(TARGET).new $(TARGET)
	@touch $(TARGET)
