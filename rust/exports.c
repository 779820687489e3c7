// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the Rust symbols of strata.ko, as rust/exports.c of the kernel does for
 * its own crates.  The list is generated from the objects.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports.h"
