# SPDX-License-Identifier: GPL-2.0
#
# The workload `va`: both sides get the same requests, each for a space of its
# own. See gpuvm.c for what is written to `work`.

# So many requests wait at a time, and are run in one call with interrupts off.
chunk=100

# on SIDE TEXT
on() {
	echo "$2" > $debug/strata-bench-va-$1/work || exit
}

# took SIDE VERB COUNT: what it took is in $took, and the sum of what it saw in $saw
took() {
	echo "$debug/strata-bench-va-$1/work $2 $3 0" > $debug/strata-bench/call || exit
	read -r took < $debug/strata-bench/call
	read -r saw < $debug/strata-bench-va-$1/work
}

# requests SIDE COUNT: what submitting and committing them took, and how many operations they were
requests() {
	submit=0 commit=0 steps=0 left=$2
	while [ $left -gt 0 ]; do
		some=$((left < chunk ? left : chunk))
		took $1 submit $some
		submit=$((submit + took))
		took $1 commit $some
		commit=$((commit + took)) steps=$((steps + saw)) left=$((left - some))
	done
}

# visit SIDE SIZE REQUESTS
visit() {
	on $1 "prepare $2 77"
	took $1 find $2
	sample find.$2 $1 $2 $took $saw
	took $1 walk $2
	sample walk.$2 $1 $2 $took $saw
	[ -n "$timed" ] || workers
	before=$ran
	requests $1 $3
	sample submit.$2 $1 $3 $submit $steps
	sample commit.$2 $1 $3 $commit $steps
	if [ -z "$timed" ]; then
		workers
		later=$((ran - before))
		# Workers do other things too, for each call that is measured.
		for call in $(seq $((2 * ($3 + chunk - 1) / chunk))); do
			took $1 find 1
		done
		before=$ran
		workers
		later=$((later - (ran - before)))
		sample request.$2 $1 $3 $((submit + commit + (later < 0 ? 0 : later))) $steps
	fi
	# What became of the space is the same.
	took $1 walk $((4 * $2))
	sample after.$2 $1 $2 $took $saw
}

# memory SIDES SIZE: what a mapping takes
memory() {
	for side in $1; do
		on $side "prepare 1000 77"
		slab
		before=$bytes
		on $side "prepare $((1000 + $2)) 77"
		slab
		sample bytes.$2 $side $2 $((bytes - before)) 0
		on $side "empty 0 0"
	done
}
