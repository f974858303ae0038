# What the Makefile of each function and layer shares. `sam build` calls them in their own folder with ARTIFACTS_DIR.
#
# Bytecode: SAM's zips carry 1980 timestamps, so bytecode checked by timestamp is never valid there, and Lambda cannot
# write its own. It must be hash-checked or unchecked (PEP 552), and made by the very minor version that will load it.
MAKEFLAGS += --no-print-directory
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
ARCH ?= arm64
PYTHON_VERSION ?= 3.13
UV ?= $(or $(wildcard $(ROOT)/.venv/bin/uv),uv)
PLATFORM := $(if $(filter arm64,$(ARCH)),aarch64,$(ARCH))-manylinux_2_28

# A matching Python on PATH, of uv, or of pyenv, whose shims may lead nowhere.
COMPILER := $(shell PATH="$$PATH$$(printf ':%s' "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(PYTHON_VERSION).*/bin)" \
	$(UV) python find --system --no-project --no-python-downloads $(PYTHON_VERSION) 2>/dev/null)

# $(call copy,SOURCE,TARGET): a package, without what it does not need at run time.
define copy
mkdir -p $(2)
tar --create --exclude=__pycache__ --exclude=Makefile --directory=$(1) . | tar --extract --directory=$(2)
endef

# $(call finish,FOLDER,WHERE): the bytecode of FOLDER, which will be mounted at WHERE; readable by Lambda's user.
define finish
$(if $(COMPILER),env -u PYTHONPATH -u PYTHONDONTWRITEBYTECODE PYTHONHASHSEED=0 $(COMPILER) -m compileall -q -f \
	--invalidation-mode unchecked-hash -s $(1) -p $(2) $(1))
chmod -R u=rwX,go=rX $(1)
endef
