#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# When strata_vbind may be unloaded, and when not: what user space maps, and what it
# holds as a fence, outlives it.  And what it did while it was loaded leaves nothing.

HERE=$(cd "$(dirname "$0")" && pwd)

. "$HERE/unload_steps.sh"

DEVICE=/dev/strata-vbind
FOLDER=$DEBUGFS/strata-vbind

# Fences of a module that is gone are files as before, with all that they said.
fences_outlive()
{
	hold vbind_hold fences
	rmmod strata_vbind || why="${why:-it cannot be unloaded with its fences held}"
	if [ "$1" = returned ]; then
		insmod "$MODULES/strata_vbind.ko" || why="${why:-it cannot be loaded again}"
	fi
	let_go
	is_loaded strata_vbind || insmod "$MODULES/strata_vbind.ko" || why="${why:-it cannot be loaded again}"
	verdict "strata_vbind: its fences outlive it, and it has $1"
}

# goes_soon MODULE: what it is still putting away holds it for a moment.
goes_soon()
{
	tries=0
	until rmmod "$1" 2> /dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 2000 ] || break
	done
	[ $tries -lt 2000 ] || why="${why:-$1 cannot be unloaded}"
}

# buffer_stays WHAT: a dma-buf calls the module for as long as anybody has it, and so does
# an attachment to one.
buffer_stays()
{
	hold vbind_hold "$1"
	stays strata_vbind "a buffer $1"
	let_go
	goes_soon strata_vbind
	insmod "$MODULES/strata_vbind.ko" || why="${why:-it cannot be loaded again}"
	verdict "strata_vbind: a buffer is $1"
}

# Jobs are under way whose files are closed when it is to go.
jobs_race_unload()
{
	round=0
	while [ $round -lt $RACES ]; do
		"$HERE/vbind_hold" work 2> /dev/null &
		"$HERE/vbind_hold" work || why="round $round: no work was done"
		goes_soon strata_vbind
		wait $!
		insmod "$MODULES/strata_vbind.ko" || why="${why:-it cannot be loaded again}"
		round=$((round + 1))
	done
	verdict "strata_vbind: files with jobs are closed while it is unloaded"
}

rounds_of_work()
{
	round=0
	while [ $round -lt "$1" ]; do
		insmod "$MODULES/strata_vbind.ko" || why="round $round: loading failed"
		"$HERE/vbind_hold" work || why="${why:-round $round: working failed}"
		goes_soon strata_vbind
		[ -z "$why" ] || return
		round=$((round + 1))
	done
}

working_leaves_nothing()
{
	hurry 1 none
	rmmod strata_vbind || why="unloading failed"
	leaves_nothing rounds_of_work
	insmod "$MODULES/strata_vbind.ko" || why="${why:-loading failed}"
	verdict "$ROUNDS rounds of loading, working and unloading"
}

need strata strata_vbind

ktap_print_header
ktap_set_plan 20
open_device strata_vbind $DEVICE
for file in stat map queues fences timings limit count drop_caches drop_stats; do
	open_debugfs strata_vbind $FOLDER/$file
done
mapping_outlives strata_vbind $DEVICE
fences_outlive gone
fences_outlive returned
buffer_stays exported
if [ -e /dev/dma_heap/system ]; then
	buffer_stays imported
else
	ktap_test_skip "strata_vbind: a buffer is imported"
fi
open_races_unload strata_vbind $DEVICE $FOLDER/stat
jobs_race_unload
load_twice strata_vbind
parameters strata_vbind $FOLDER
working_leaves_nothing
ktap_finished
