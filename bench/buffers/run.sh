# SPDX-License-Identifier: GPL-2.0
#
# The workload `buffers`: all who export do the same, and the same importer, in C,
# has their buffers; and both importers have the buffers of the system heap. See
# work.c for what is written to `work`.

# on SIDE TEXT
on() {
	echo "$2" > $debug/strata-bench-buffers-$1/work || exit
}

# took SIDE VERB COUNT: what it took is in $took, and the sum of what it saw in $saw
took() {
	echo "$debug/strata-bench-buffers-$1/work $2 $3 0" > $debug/strata-bench/call || exit
	read -r took < $debug/strata-bench/call
	read -r saw < $debug/strata-bench-buffers-$1/work
}

# beside SIDE VERB COUNT: the same, with what the task does when it returns to user space
beside() {
	cat $debug/strata-bench/settle
	read -r before < $debug/strata-bench/now
	on $1 "$2 $3"
	read -r after < $debug/strata-bench/now
	took=$((after - before))
}

# given SIDE IMPORTER: the importer has the buffer of that side
given() {
	on $1 "share 0"
	read -r fd < $debug/strata-bench-buffers-$1/work
	on $2 "take $fd"
	eval "exec $fd>&-"
}

# imported LABEL SIDE IMPORTER PAGES COUNT
imported() {
	for verb in attach map vmap access; do
		# What is done once.
		took $3 $verb 1
		took $3 $verb $5
		sample $1$verb.$4 $2 $5 $took $saw
	done
}

# created SIDE PAGES MADE: the heap is asked through memory of the task, which faults where nothing may
created() {
	if [ $1 = heap ]; then
		on $1 "create $3"
	else
		took $1 create $3
		sample create.$2 $1 $3 $took $saw
	fi
}

# visit SIDE PAGES COUNT MADE: of what it exports, an importer has a buffer COUNT times, and there are MADE
visit() {
	on $1 "prepare $2"
	given $1 C
	imported "" $1 C $2 $3
	on C "drop 0"
	created $1 $2 $4
	beside $1 nothing 0
	nothing=$took
	beside $1 release $4
	sample release.$2 $1 $4 $((took - nothing)) $4
	on $1 "create $4"
	took $1 cold $4
	sample cold.$2 $1 $4 $took $saw
}

# importers SIDE PAGES COUNT: of the heap's
importers() {
	on heap "prepare $2"
	given heap $1
	imported import. $1 $1 $2 $3
	on $1 "drop 0"
	on heap "empty 0"
}
