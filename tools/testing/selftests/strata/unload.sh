#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# No module of ours may be unloaded while anything could still call it: an open
# file of its device or in debugfs, a mapping that calls it, a queued work item.
# And loading and unloading must leave nothing behind.
#
# STRATA_MODULES is where the modules are.  They are loaded before, and again
# afterwards.

MODULES=${STRATA_MODULES:-/lib/modules/strata}
DEBUGFS=/sys/kernel/debug
HERE=$(cd "$(dirname "$0")" && pwd)
CONTROL=$DEBUGFS/strata-entry/control
KUNIT=/sys/module/kunit/parameters/filter_glob

. "$HERE/../kselftest/ktap_helpers.sh"

why=""

# is_loaded MODULE: it is there, and was not shut down half-way.
is_loaded()
{
	grep -q "^$1 .* Live " /proc/modules
}

# stays MODULE REASON: unloading is refused.
stays()
{
	rmmod "$1" 2> /dev/null && why="$1 was unloaded with $2"
	is_loaded "$1" || why="${why:-$1 is gone with $2}"
}

# goes_and_returns MODULE: nothing holds it any more.
goes_and_returns()
{
	rmmod "$1" || why="$1 cannot be unloaded afterwards"
	insmod "$MODULES/$1.ko" || why="$1 cannot be loaded again"
}

# verdict NAME: passed if nobody said why not.
verdict()
{
	if [ -z "$why" ]; then
		ktap_test_pass "$1"
	else
		ktap_print_msg "$why"
		ktap_test_fail "$1"
	fi
	why=""
}

# open_device MODULE DEVICE
open_device()
{
	exec 3< "$2"
	stays "$1" "its device open"
	exec 3>&-
	goes_and_returns "$1"
	verdict "$1: device open"
}

# open_debugfs MODULE FILE
open_debugfs()
{
	exec 3< "$2"
	stays "$1" "a debugfs file open"
	head -c 1 <&3 > /dev/null || why="reading failed"
	stays "$1" "a debugfs file open that was read"
	exec 3>&-
	goes_and_returns "$1"
	verdict "$1: debugfs file $(basename "$2") open"
}

# hold DEVICE [KIB]: something maps it from here on, without the file.
hold()
{
	mkfifo "/tmp/strata-hold.$$"
	"$HERE/hold" "$@" < "/tmp/strata-hold.$$" > "/tmp/strata-held.$$" &
	holder=$!
	exec 3> "/tmp/strata-hold.$$"
	while kill -0 $holder 2> /dev/null && ! [ -s "/tmp/strata-held.$$" ]; do
		sleep 0.1
	done
	[ -s "/tmp/strata-held.$$" ] || why="nothing was mapped"
}

# let_go: the holder looks whether the memory is as it was, and unmaps it.
let_go()
{
	exec 3>&-
	wait $holder || why="${why:-the holder failed}"
	rm -f "/tmp/strata-hold.$$" "/tmp/strata-held.$$"
}

# mapped MODULE DEVICE: the file is closed, its mapping is not, and calls the module.
mapped()
{
	hold "$2"
	stays "$1" "a mapping alive"
	let_go
	goes_and_returns "$1"
	verdict "$1: mapping alive"
}

# meminfo KEY: in KiB.
meminfo()
{
	sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo
}

# mapping_outlives MODULE DEVICE: its mappings are memory of the kernel's own, which
# stays when the module goes, and goes with the last of them.
mapping_outlives()
{
	before=$(meminfo Shmem)
	hold "$2" 16384
	rmmod "$1" || why="${why:-$1 cannot be unloaded with a mapping alive}"
	grown=$(($(meminfo Shmem) - before))
	[ $grown -gt 8192 ] || why="${why:-the memory of the mapping is not there}"
	let_go
	grown=$(($(meminfo Shmem) - before))
	[ $grown -lt 8192 ] || why="${why:-the memory of the mapping is still there}"
	is_loaded "$1" || insmod "$MODULES/$1.ko" || why="${why:-$1 cannot be loaded again}"
	verdict "$1: its mapping outlives it"
}

# Limits in pages; nonsense is refused, and nothing loaded.
parameters()
{
	rmmod strata_pool || why="strata_pool cannot be unloaded"
	for nonsense in limit=many limit=-1 limit=18446744073709551616 hard_limit=1.5; do
		insmod "$MODULES/strata_pool.ko" $nonsense 2> /dev/null &&
			why="it was loaded with $nonsense" && rmmod strata_pool
	done
	insmod "$MODULES/strata_pool.ko" limit=1000 hard_limit=2000 || why="${why:-it does not load}"
	grep -q "^soft 1000$" $DEBUGFS/strata-pool/limit || why="${why:-limit=1000 has no effect}"
	grep -q "^hard 2000$" $DEBUGFS/strata-pool/limit || why="${why:-hard_limit=2000 has no effect}"
	goes_and_returns strata_pool
	half=$(($(meminfo MemTotal) / 2 * 1024 / $(getconf PAGESIZE 2> /dev/null || echo 4096)))
	soft=$(sed -n 's/^soft //p' $DEBUGFS/strata-pool/limit)
	[ "$soft" -gt $((half / 2)) ] && [ "$soft" -le $((half + half / 2)) ] ||
		why="${why:-the limit is $soft pages where half of the memory is $half}"
	grep -q "^hard 0$" $DEBUGFS/strata-pool/limit || why="${why:-there is a hard limit}"
	verdict "strata_pool: parameters"
}

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

# Somebody opens and reads all the time while the module comes and goes.
open_races_unload()
{
	(
		trap 'exit 0' TERM
		while :; do
			(exec 3< "$2") 2> /dev/null
			head -c 1 "$3" > /dev/null 2>&1
		done
	) &
	opener=$!
	round=0
	while [ $round -lt $RACES ]; do
		rmmod "$1" 2> /dev/null && { insmod "$MODULES/$1.ko" || why="it cannot be loaded again"; }
		round=$((round + 1))
	done
	kill $opener
	wait $opener 2> /dev/null
	is_loaded "$1" || why="${why:-it is gone}"
	[ -c "$2" ] || why="${why:-$2 is not a device any more}"
	verdict "$1: opened while it is unloaded"
}

library_has_users()
{
	stays strata "users of it loaded"
	rmmod strata_entry
	stays strata "a user of it loaded"
	rmmod strata_pool
	goes_and_returns strata
	insmod "$MODULES/strata_pool.ko" && insmod "$MODULES/strata_entry.ko" || why="its users do not load"
	verdict "strata: users loaded"
}

# load_twice MODULE: a name that exists is refused, and what exists goes on.
load_twice()
{
	insmod "$MODULES/$1.ko" 2> /dev/null && why="it was loaded twice"
	is_loaded "$1" || why="${why:-it is gone}"
	verdict "$1: loaded twice"
}

rounds()
{
	round=0
	while [ $round -lt "$1" ]; do
		insmod "$MODULES/strata.ko" && insmod "$MODULES/strata_pool.ko" &&
			insmod "$MODULES/strata_entry.ko" || why="round $round: loading failed"
		rmmod strata_entry && rmmod strata_pool && rmmod strata || why="round $round: unloading failed"
		[ -z "$why" ] || return
		round=$((round + 1))
	done
}

# Nearly all of a round is waiting for RCU, and the tests that the library runs when
# it is loaded.
hurry()
{
	[ ! -w /sys/kernel/rcu_expedited ] || echo "$1" > /sys/kernel/rcu_expedited
	[ ! -w $KUNIT ] || echo "$2" > $KUNIT
}

# A leak of one page in each round would be 800 KiB in 200.
loading_leaves_nothing()
{
	hurry 1 none
	rmmod strata_entry && rmmod strata_pool && rmmod strata || why="unloading failed"
	rounds 10
	before=$(meminfo Slab)
	[ -n "$why" ] || rounds $ROUNDS
	hurry 0 "*"
	grown=$(($(meminfo Slab) - before))
	ktap_print_msg "$ROUNDS rounds: slab grew by $grown KiB"
	[ $grown -lt $((ROUNDS * 3)) ] || why="${why:-slab grew by $grown KiB in $ROUNDS rounds}"
	insmod "$MODULES/strata.ko" && insmod "$MODULES/strata_pool.ko" &&
		insmod "$MODULES/strata_entry.ko" || why="${why:-loading failed}"
	verdict "$ROUNDS rounds of loading and unloading"
}

for module in strata strata_pool strata_entry; do
	if ! is_loaded $module || ! [ -f "$MODULES/$module.ko" ]; then
		ktap_print_header
		ktap_skip_all "$module is not loaded, or $MODULES/$module.ko is not there"
		exit "$KSFT_SKIP"
	fi
done

ROUNDS=200
RACES=30
if [ -e /proc/lockdep_stats ]; then
	RACES=6
fi

ktap_print_header
ktap_set_plan 20
open_device strata_pool /dev/strata-pool
open_device strata_entry /dev/strata-entry
for file in stat count limit drop_caches drop_stats; do
	open_debugfs strata_pool $DEBUGFS/strata-pool/$file
done
open_debugfs strata_entry $DEBUGFS/strata-entry/tokens
open_debugfs strata_entry $DEBUGFS/strata-entry/victim
mapping_outlives strata_pool /dev/strata-pool
mapped strata_entry /dev/strata-entry
queued_work
work_races_unload
open_races_unload strata_pool /dev/strata-pool $DEBUGFS/strata-pool/stat
open_races_unload strata_entry /dev/strata-entry $DEBUGFS/strata-entry/tokens
load_twice strata
load_twice strata_pool
parameters
library_has_users
loading_leaves_nothing
ktap_finished
