# SPDX-License-Identifier: GPL-2.0
#
# What the scripts of the workloads share. Each defines `on SIDE TEXT` and
# `visit SIZE SIDE ...`.

# Bytes of all objects that are in use: without what waits to be freed, and what is kept free.
slab() {
	cat $debug/strata-bench/settle
	for cache in /sys/kernel/slab/*/shrink; do
		echo 1 > $cache
	done
	bytes=0
	while read -r name active all size _; do
		case $name in
		slabinfo | \#) ;;
		*) bytes=$((bytes + active * size)) ;;
		esac
	done < /proc/slabinfo
}

# Instructions that workers ran so far: to them is put off what is done when readers are done.
workers() {
	cat $debug/strata-bench/settle
	sleep 1
	ran=0
	for task in /proc/[0-9]*; do
		read -r name < $task/comm || continue
		case $name in
		kworker*) read -r part _ < $task/schedstat && ran=$((ran + part)) ;;
		esac
	done
}

# compared SIDES ROUNDS VISIT...: after one that is not told, since it finds memory that nobody used yet
compared() {
	sides=$1 rounds=$2 kept=$samples samples=/dev/null
	shift 2
	while [ $rounds -ge 0 ]; do
		turned=
		for side in $sides; do
			visit $side "$@"
			on $side "empty 0 0"
			turned="$side $turned"
		done
		# Nobody is always first.
		sides=$turned rounds=$((rounds - 1)) samples=$kept
	done
}
