// SPDX-License-Identifier: GPL-2.0
/*
 * Modules that run out of memory while they are loaded, at each allocation in turn:
 * loading fails, leaves nothing behind, and goes well the next time.
 *
 * It is the allocations of their own initialization that fail; with STRATA_ALL_FAULTS
 * set also those of the kernel's loader, which takes minutes.
 *
 * STRATA_MODULES is where the modules are. They are loaded before, and again
 * afterwards.
 */

#include <sys/syscall.h>

#include "fault.h"
#include "pool_debugfs.h"
#include "vbind_debugfs.h"

#define MOST		5000
#define TIMEOUT		600

/* What one sees of a module that is loaded; each needs the first. */
static const struct module {
	const char *name;
	const char *device;
	const char *debugfs;
	const char *cache;
} modules[] = {
	{ "strata", NULL, NULL, NULL },
	{ "strata_pool", POOL_DEVICE, POOL_STAT, "strata_pool_buffer" },
	{ "strata_vbind", VBIND_DEVICE, VBIND_DEBUGFS "stat", "strata_vbind_buffer" },
	{ "strata_entry", "/dev/strata-entry", "/sys/kernel/debug/strata-entry", NULL },
};

static bool is_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

static int open_module(const char *name)
{
	const char *folder = getenv("STRATA_MODULES") ?: "/lib/modules/strata";
	char path[256];

	snprintf(path, sizeof(path), "%s/%s.ko", folder, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int load(int file)
{
	return result(syscall(SYS_finit_module, file, "", 0));
}

static int load_named(const char *name)
{
	int file = open_module(name), ret;

	ret = load(file);
	close(file);
	return ret;
}

static int unload(const char *name)
{
	return result(syscall(SYS_delete_module, name, O_NONBLOCK));
}

/* What is left of a module that is not loaded; NULL if nothing. */
static const char *remains(const struct module *module)
{
	if (is_loaded(module->name))
		return module->name;
	if (module->device && !access(module->device, F_OK))
		return module->device;
	if (module->debugfs && !access(module->debugfs, F_OK))
		return module->debugfs;
	if (module->cache && number_in("/proc/slabinfo", module->cache) >= 0)
		return module->cache;
	return NULL;
}

/*
 * Nearly all of a round is waiting for RCU, and the tests that the library runs when
 * it is loaded.
 */
static void hurry(bool on)
{
	write_text("/sys/kernel/rcu_expedited", on ? "1" : "0");
	write_text("/sys/module/kunit/parameters/filter_glob", on ? "none" : "*");
}

FIXTURE(loading)
{
	struct fault fault;
};

FIXTURE_VARIANT(loading)
{
	int module;
};

FIXTURE_VARIANT_ADD(loading, strata) { .module = 0 };
FIXTURE_VARIANT_ADD(loading, strata_pool) { .module = 1 };
FIXTURE_VARIANT_ADD(loading, strata_vbind) { .module = 2 };
FIXTURE_VARIANT_ADD(loading, strata_entry) { .module = 3 };

FIXTURE_SETUP(loading)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(modules); i++)
		if (!is_loaded(modules[i].name))
			SKIP(return, "%s is not loaded", modules[i].name);
	ASSERT_TRUE(fault_begin(&self->fault));
	hurry(true);
	for (i = ARRAY_SIZE(modules) - 1; i >= 0; i--)
		ASSERT_EQ(unload(modules[i].name), 0);
	if (variant->module)
		ASSERT_EQ(load_named(modules[0].name), 0);
}

FIXTURE_TEARDOWN(loading)
{
	int i;

	fault_end(&self->fault);
	for (i = 0; i < ARRAY_SIZE(modules); i++)
		if (!is_loaded(modules[i].name))
			EXPECT_EQ(load_named(modules[i].name), 0);
	hurry(false);
}

TEST_F_TIMEOUT(loading, each_allocation_fails, TIMEOUT)
{
	const struct module *module = &modules[variant->module];
	int file = open_module(module->name), ret = 0, nth, errors = 0;
	bool failed = true;

	ASSERT_GE(file, 0);
	for (nth = 1; failed && nth < MOST; nth++) {
		ASSERT_EQ(fault_arm(&self->fault, nth), 0);
		ret = load(file);
		failed = fault_disarm(&self->fault);
		if (ret) {
			errors++;
			ASSERT_EQ(ret, -ENOMEM)
				TH_LOG("allocation %d", nth);
		} else {
			ASSERT_EQ(unload(module->name), 0);
		}
		ASSERT_EQ(remains(module), NULL)
			TH_LOG("allocation %d, error %d: %s is left", nth, -ret, remains(module));
	}
	EXPECT_FALSE(failed);
	EXPECT_EQ(ret, 0);
	EXPECT_GT(errors, 0);
	TH_LOG("%d allocations, %d errors", nth - 2, errors);
	close(file);
}

int main(int argc, char **argv)
{
	return fault_harness(argc, argv, getenv("STRATA_ALL_FAULTS") ? NULL : "do_one_initcall");
}
