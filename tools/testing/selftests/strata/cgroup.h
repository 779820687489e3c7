/* SPDX-License-Identifier: GPL-2.0 */
/* Memory cgroups (version 2) for tests of what happens when one of them is full. */
#ifndef STRATA_CGROUP_H
#define STRATA_CGROUP_H

#include <sys/mount.h>
#include <sys/stat.h>

#include "debugfs.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"

struct cgroup {
	char path[128];
};

static inline void cgroup_file(const struct cgroup *group, const char *file, char path[256])
{
	snprintf(path, 256, "%s/%s", group->path, file);
}

static inline bool cgroup_write(const struct cgroup *group, const char *file, const char *text)
{
	char path[256];

	cgroup_file(group, file, path);
	return !write_text(path, text);
}

static inline bool cgroup_write_number(const struct cgroup *group, const char *file, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	return cgroup_write(group, file, text);
}

/* The number behind @key, or the one that the file is; -1 if there is none. */
static inline long long cgroup_number(const struct cgroup *group, const char *file, const char *key)
{
	char path[256], text[64];

	cgroup_file(group, file, path);
	if (key)
		return number_in(path, key);
	return read_text(path, text, sizeof(text)) > 0 ? strtoll(text, NULL, 10) : -1;
}

/* Where the hierarchy is mounted; mounted for this process and its children if nowhere. */
static inline const char *cgroup_root(void)
{
	static const char private[] = "/tmp/strata-cgroup";

	if (!access(CGROUP_ROOT "/cgroup.controllers", R_OK))
		return CGROUP_ROOT;
	if (access(private, F_OK))
		mkdir(private, 0700);
	if (!access("/tmp/strata-cgroup/cgroup.controllers", R_OK) ||
	    !mount("none", private, "cgroup2", 0, NULL))
		return private;
	return NULL;
}

/* A new group with a memory controller; false where there is none to be had. */
static inline bool cgroup_make(struct cgroup *group, const char *name)
{
	const char *root = cgroup_root();
	struct cgroup top;

	if (!root)
		return false;
	snprintf(top.path, sizeof(top.path), "%s", root);
	if (!cgroup_write(&top, "cgroup.subtree_control", "+memory"))
		return false;
	snprintf(group->path, sizeof(group->path), "%s/strata-%s-%d", root, name, getpid());
	return !mkdir(group->path, 0755);
}

/* Moves the caller, with all its threads. */
static inline bool cgroup_enter(const struct cgroup *group)
{
	return cgroup_write(group, "cgroup.procs", "0");
}

/* A process leaves its group a little after it was waited for. */
static inline bool cgroup_remove(const struct cgroup *group)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (!rmdir(group->path))
			return true;
		if (errno != EBUSY)
			return false;
		usleep(20000);
	}
	return false;
}

#endif /* STRATA_CGROUP_H */
