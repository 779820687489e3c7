# SPDX-License-Identifier: GPL-2.0
#
# For tests of modules that come and go, to be sourced: no module of ours may be
# unloaded while anything could still call it, and none may leave anything behind.
#
# STRATA_MODULES is where the modules are.  They are loaded before, and again
# afterwards.

MODULES=${STRATA_MODULES:-/lib/modules/strata}
DEBUGFS=/sys/kernel/debug
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

# hold PROGRAM...: it runs from here on, and has nothing of a device but what it holds.
hold()
{
	mkfifo "/tmp/strata-hold.$$"
	"$HERE/$@" < "/tmp/strata-hold.$$" > "/tmp/strata-held.$$" &
	holder=$!
	exec 3> "/tmp/strata-hold.$$"
	while kill -0 $holder 2> /dev/null && ! [ -s "/tmp/strata-held.$$" ]; do
		sleep 0.1
	done
	[ -s "/tmp/strata-held.$$" ] || why="nothing is held"
}

# let_go: the holder looks whether all is as it was, and ends.
let_go()
{
	exec 3>&-
	wait $holder || why="${why:-the holder failed}"
	rm -f "/tmp/strata-hold.$$" "/tmp/strata-held.$$"
}

# mapped MODULE DEVICE: the file is closed, its mapping is not, and calls the module.
mapped()
{
	hold hold "$2"
	stays "$1" "a mapping alive"
	let_go
	goes_and_returns "$1"
	verdict "$1: mapping alive"
}

# exported MODULE DEVICE: nobody has more than a mapping of a dma-buf, and it calls the module.
exported()
{
	hold hold "$2" 64 export
	stays "$1" "a dma-buf alive"
	let_go
	goes_and_returns "$1"
	verdict "$1: dma-buf alive"
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
	hold hold "$2" 16384
	rmmod "$1" || why="${why:-$1 cannot be unloaded with a mapping alive}"
	grown=$(($(meminfo Shmem) - before))
	[ $grown -gt 8192 ] || why="${why:-the memory of the mapping is not there}"
	let_go
	grown=$(($(meminfo Shmem) - before))
	[ $grown -lt 8192 ] || why="${why:-the memory of the mapping is still there}"
	is_loaded "$1" || insmod "$MODULES/$1.ko" || why="${why:-$1 cannot be loaded again}"
	verdict "$1: its mapping outlives it"
}

# parameters MODULE FOLDER: limits in pages; nonsense is refused, and nothing loaded.
parameters()
{
	rmmod "$1" || why="$1 cannot be unloaded"
	for nonsense in limit=many limit=-1 limit=18446744073709551616 hard_limit=1.5; do
		insmod "$MODULES/$1.ko" $nonsense 2> /dev/null &&
			why="it was loaded with $nonsense" && rmmod "$1"
	done
	insmod "$MODULES/$1.ko" limit=1000 hard_limit=2000 || why="${why:-it does not load}"
	grep -q "^soft 1000$" "$2/limit" || why="${why:-limit=1000 has no effect}"
	grep -q "^hard 2000$" "$2/limit" || why="${why:-hard_limit=2000 has no effect}"
	goes_and_returns "$1"
	half=$(($(meminfo MemTotal) / 2 * 1024 / $(getconf PAGESIZE 2> /dev/null || echo 4096)))
	soft=$(sed -n 's/^soft //p' "$2/limit")
	[ "$soft" -gt $((half / 2)) ] && [ "$soft" -le $((half + half / 2)) ] ||
		why="${why:-the limit is $soft pages where half of the memory is $half}"
	grep -q "^hard 0$" "$2/limit" || why="${why:-there is a hard limit}"
	verdict "$1: parameters"
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

# load_twice MODULE: a name that exists is refused, and what exists goes on.
load_twice()
{
	insmod "$MODULES/$1.ko" 2> /dev/null && why="it was loaded twice"
	is_loaded "$1" || why="${why:-it is gone}"
	verdict "$1: loaded twice"
}

# Nearly all of a round is waiting for RCU, and the tests that the library runs when
# it is loaded.
hurry()
{
	[ ! -w /sys/kernel/rcu_expedited ] || echo "$1" > /sys/kernel/rcu_expedited
	[ ! -w $KUNIT ] || echo "$2" > $KUNIT
}

# leaves_nothing ROUNDS: what it calls is done so often, and the slab does not grow.
leaves_nothing()
{
	"$1" 10
	before=$(meminfo Slab)
	[ -n "$why" ] || "$1" $ROUNDS
	hurry 0 "*"
	grown=$(($(meminfo Slab) - before))
	ktap_print_msg "$ROUNDS rounds: slab grew by $grown KiB"
	[ $grown -lt $((ROUNDS * 3)) ] || why="${why:-slab grew by $grown KiB in $ROUNDS rounds}"
}

# need MODULE...: or there is nothing to test.
need()
{
	for module in "$@"; do
		if ! is_loaded "$module" || ! [ -f "$MODULES/$module.ko" ]; then
			ktap_print_header
			ktap_skip_all "$module is not loaded, or $MODULES/$module.ko is not there"
			exit "$KSFT_SKIP"
		fi
	done
}

ROUNDS=200
RACES=30
if [ -e /proc/lockdep_stats ]; then
	RACES=6
fi
