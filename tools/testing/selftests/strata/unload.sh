#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# No module of ours may be unloaded while anything could still call it: an open
# file of its device or in debugfs, a mapping that calls it, a queued work item.
# And loading and unloading must leave nothing behind.  (strata_vbind has more to
# it: vbind_unload.sh.)

HERE=$(cd "$(dirname "$0")" && pwd)

. "$HERE/unload_steps.sh"

CONTROL=$DEBUGFS/strata-entry/control
USERS="strata_pool strata_vbind strata_entry"

queued_work()
{
	echo "work 500" > $CONTROL
	stays strata_entry "a work item queued"
	echo flush > $CONTROL
	goes_and_returns strata_entry
	verdict "strata_entry: work item queued"
}

# Items end at any moment relative to the unloading: the last of them lets go of
# the module itself.
work_races_unload()
{
	round=0
	while [ $round -lt $RACES ]; do
		for delay in 0 1 2 3; do
			echo "work $delay" > $CONTROL
		done
		tries=0
		until rmmod strata_entry 2> /dev/null; do
			tries=$((tries + 1))
			[ $tries -lt 2000 ] || break
		done
		insmod "$MODULES/strata_entry.ko" || why="it cannot be loaded again"
		round=$((round + 1))
	done
	verdict "strata_entry: work items end while it is unloaded"
}

load_users()
{
	for user in $USERS; do
		insmod "$MODULES/$user.ko" || return 1
	done
}

unload_users()
{
	for user in $USERS; do
		rmmod "$user" || return 1
	done
}

library_has_users()
{
	for user in $USERS; do
		stays strata "users of it loaded"
		rmmod "$user"
	done
	goes_and_returns strata
	load_users || why="its users do not load"
	verdict "strata: users loaded"
}

rounds()
{
	round=0
	while [ $round -lt "$1" ]; do
		insmod "$MODULES/strata.ko" && load_users || why="round $round: loading failed"
		unload_users && rmmod strata || why="round $round: unloading failed"
		[ -z "$why" ] || return
		round=$((round + 1))
	done
}

# A leak of one page in each round would be 800 KiB in 200.
loading_leaves_nothing()
{
	hurry 1 none
	unload_users && rmmod strata || why="unloading failed"
	leaves_nothing rounds
	insmod "$MODULES/strata.ko" && load_users || why="${why:-loading failed}"
	verdict "$ROUNDS rounds of loading and unloading"
}

need strata $USERS

ktap_print_header
ktap_set_plan 22
open_device strata_pool /dev/strata-pool
open_device strata_entry /dev/strata-entry
for file in stat count limit drop_caches drop_stats move; do
	open_debugfs strata_pool $DEBUGFS/strata-pool/$file
done
open_debugfs strata_entry $DEBUGFS/strata-entry/tokens
open_debugfs strata_entry $DEBUGFS/strata-entry/victim
mapping_outlives strata_pool /dev/strata-pool
exported strata_pool /dev/strata-pool
mapped strata_entry /dev/strata-entry
queued_work
work_races_unload
open_races_unload strata_pool /dev/strata-pool $DEBUGFS/strata-pool/stat
open_races_unload strata_entry /dev/strata-entry $DEBUGFS/strata-entry/tokens
load_twice strata
load_twice strata_pool
parameters strata_pool $DEBUGFS/strata-pool
library_has_users
loading_leaves_nothing
ktap_finished
