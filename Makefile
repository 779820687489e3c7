# SPDX-License-Identifier: GPL-2.0
#
# make            the modules, for Debian's kernel (or for KDIR=...)
# make help       all targets, a line each

# Kbuild reads the file Kbuild, never this one.
RUN := $(CURDIR)/scripts/run
KERNEL ?= stock

.PHONY: all modules modules_install demo check check-next soak bench kselftest \
	shell doc fmt clippy clean kernel-tree help

all: modules

ifdef KDIR

# Any tree with Rust metadata, with the compilers of this machine.
OUT := $(CURDIR)/out/$(or $(shell cat $(KDIR)/include/config/kernel.release 2>/dev/null),unknown)
KBUILD = $(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(OUT)

define need_metadata
	@test -e $(KDIR)/Makefile || \
		{ echo "$(KDIR) is not a kernel build tree." >&2; exit 2; }
	@test -e $(KDIR)/rust/libkernel.rmeta || \
		{ echo "$(KDIR) carries no Rust metadata (rust/libkernel.rmeta): the kernel was built without" \
		       "CONFIG_RUST, or its package leaves them out, as Debian's does." \
		       "'make kernel-tree' makes a tree that has them for a kernel of Debian." >&2; exit 2; }
endef

modules:
	$(need_metadata)
	@mkdir -p $(OUT)
	+$(KBUILD) modules

modules_install: modules
	+$(KBUILD) modules_install

else

modules:
	@$(RUN) modules --kernel $(KERNEL)

# For the running kernel, where its package has what it takes.
modules_install:
	@$(MAKE) KDIR=/lib/modules/$$(uname -r)/build modules_install

endif

demo:
	@$(RUN) demo

check:
	@$(RUN) check

check-next:
	@$(RUN) check-next

soak:
	@$(RUN) soak

bench:
	@$(RUN) bench

kselftest:
	@$(RUN) kselftest

shell:
	@$(RUN) shell --kernel $(KERNEL)

doc:
	@$(RUN) doc

fmt:
	@$(RUN) fmt

clippy:
	@$(RUN) clippy

kernel-tree:
	@$(RUN) kernel-tree

clean:
	@$(RUN) clean

help:
	@echo 'Two commands from a bare Debian 12 or 13 machine, as root or with sudo:'
	@echo '  make demo             set up, boot Debian'\''s own kernel in a VM, run every sample, report'
	@echo '  make check            prove the rules: host, ui, style, KUnit, kselftests, lockdep corpus'
	@echo 'More:'
	@echo '  make                  the modules, for Debian'\''s kernel, into out/stock'
	@echo '  make KDIR=DIR         the modules, for any kernel tree with Rust metadata'
	@echo '  make modules_install  install them (KDIR=DIR, or for the running kernel)'
	@echo '  make kernel-tree      a tree with Rust metadata for a kernel of Debian that you run'
	@echo '  make shell            a VM with the modules loaded and a prompt (KERNEL=stock|debug|next)'
	@echo '  make bench            workloads and their twins in C, compared by instructions'
	@echo '  make kselftest        the selftests on this machine instead of a VM'
	@echo '  make check-next       kselftests, KUnit and the corpus on the next kernel'
	@echo '  make soak             what takes longer than make check may'
	@echo '  make doc              rustdoc of the library, into out/stock/doc'
	@echo '  make fmt              format the Rust sources'
	@echo '  make clippy           clippy with the kernel'\''s lints and ours'
	@echo '  make clean            delete what was built here (scripts/run clean --help: the cache)'
	@echo 'Kernels and the sysroot are kept in $$STRATA_CACHE, by default ~/.cache/strata.'
