// SPDX-License-Identifier: GPL-2.0
/* Memory that is short: the device's limits, a memory cgroup, and drop_caches. */

#include <sys/mount.h>
#include <sys/stat.h>

#include "demo.h"
#include "device.h"
#include "squeeze.h"

#define LIMIT		DEBUGFS "limit"
#define CGROUPS		"/sys/fs/cgroup"

static bool set_limits(long long soft, long long hard)
{
	char text[64];

	snprintf(text, sizeof(text), "soft %lld hard %lld", soft, hard);
	return write_file(LIMIT, text);
}

static bool write_group(const char *group, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return write_file(path, text);
}

static bool has_swap(void)
{
	/* A line that is the heading, and one for each that there is. */
	FILE *file = fopen("/proc/swaps", "r");
	unsigned int lines = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (file)
		fclose(file);
	return lines > 1;
}

/* Without swap a group that is too small only ends with somebody being killed. */
static bool enter_group(struct squeeze *squeeze, uint64_t bytes)
{
	char text[32];

	if (access(CGROUPS "/cgroup.subtree_control", W_OK) || !has_swap())
		return true;
	snprintf(squeeze->group, sizeof(squeeze->group), CGROUPS "/vbind_demo-%d", getpid());
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	if (!write_file(CGROUPS "/cgroup.subtree_control", "+memory") ||
	    mkdir(squeeze->group, 0755)) {
		squeeze->group[0] = '\0';
		return true;
	}
	squeeze->group_bytes = bytes;
	return write_group(squeeze->group, "memory.max", text) &&
	       write_group(squeeze->group, "cgroup.procs", "0");
}

bool squeeze_begin(struct squeeze *squeeze, uint64_t buffers)
{
	long long pages = buffers / sysconf(_SC_PAGESIZE), used = read_figure(LIMIT, "used");

	*squeeze = (struct squeeze){
		.saved_soft = read_figure(LIMIT, "soft"), .saved_hard = read_figure(LIMIT, "hard"),
		/* Others may use the device, too. */
		.soft = used + pages / 4, .hard = used + pages / 2,
	};
	if (squeeze->saved_soft < 0 || used < 0)
		return !fail(LIMIT);
	/* What jobs hold cannot be swapped: that must fit, with something to work in. */
	return set_limits(squeeze->soft, squeeze->hard) &&
	       enter_group(squeeze, 2 * buffers / 4 * 3);
}

void squeeze_run(struct squeeze *squeeze)
{
	while (!squeeze->stop && !squeeze->failed) {
		squeeze->failed = !write_file(DEBUGFS "drop_caches", "all");
		squeeze->drops++;
		usleep(1000);
	}
}

long long squeeze_swapped(const struct squeeze *squeeze)
{
	char path[128];
	long long bytes = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.swap.peak", squeeze->group);
	file = squeeze->group[0] ? fopen(path, "r") : NULL;
	if (file && fscanf(file, "%lld", &bytes) != 1)
		bytes = -1;
	if (file)
		fclose(file);
	return bytes;
}

bool squeeze_end(struct squeeze *squeeze)
{
	/* There was nothing to begin with. */
	if (squeeze->saved_soft < 0)
		return true;
	if (!set_limits(squeeze->saved_soft, squeeze->saved_hard))
		return false;
	if (!squeeze->group[0])
		return true;
	return write_file(CGROUPS "/cgroup.procs", "0") && !rmdir(squeeze->group);
}
