# SPDX-License-Identifier: GPL-2.0
#
# The workload `maple`: all sides do the same, each with a tree of its own.
# See work.c for what is written to `work`.

everyone="ours C rbtree xarray"

# So many slots are visited in one call, with interrupts off.
chunk=100000
# Reservations that wait at a time: jobs in a queue.
held=100

# on SIDE TEXT
on() {
	echo "$2" > $debug/strata-bench-maple-$1/work || exit
}

# took SIDE VERB FROM COUNT: what it took is in $took, and the sum of what it saw in $saw
took() {
	took=0 saw=0 at=$3 end=$(($3 + $4))
	while [ $at -lt $end ]; do
		next=$((at + chunk < end ? at + chunk : end))
		echo "$debug/strata-bench-maple-$1/work $2 $at $((next - at))" > $debug/strata-bench/call || exit
		read -r part < $debug/strata-bench/call
		took=$((took + part))
		read -r part < $debug/strata-bench-maple-$1/work
		saw=$((saw + part))
		at=$next
	done
}

# step MEASURE SIDE VERB FROM COUNT [AS]: a sample of SIDE, or of AS
step() {
	took $2 $3 $4 $5
	sample $1 ${6:-$2} $5 $took $saw
}

# What a side has besides what it shares with others.
tree_only() {
	case $2 in
	ours | C) step miss.$3 $2 miss 0 $4 ;;
	rbtree) step miss.$3 $2 miss 0 $4 ;;
	esac
	[ $2 != C ] || [ $1 = rcu ] || step hit.$3 C load 0 $4 mtree
}

# gaps LABEL SIDE SIZE: after half of the slots were erased
gaps() {
	step up.$1 $2 up 0 $(($3 / 2))
	step down.$1 $2 down 0 $(($3 / 2))
}

# reserved LABEL SIDE SIZE: what is reserved early is stored later; $((size / 4)) slots are free
reserved() {
	from=$(($3 / 4)) count=$(($3 / 8)) done=0 all=0
	[ $count -lt 4000 ] || count=4000
	while [ $done -lt $count ]; do
		some=$((count - done < held ? count - done : held))
		took $2 reserve 0 $some
		all=$((all + took))
		took $2 commit $((from + done)) $some
		all=$((all + took)) done=$((done + some))
	done
	sample reserved.$1 $2 $count $all 0
	if [ $2 = ours ]; then
		sample gfp.$1 ours $count $all 0
	else
		step gfp.$1 $2 store $((from + count)) $count
		# From here on the trees are the same again.
		took $2 erase $((from + count)) $count
	fi
}

# memory SIDES MODE SIZE: what a mapping takes, and what of that its tree does
memory() {
	whole=$chunk
	# In one call nothing that is freed is used again, which nobody's tree would do.
	chunk=1000
	for side in $1; do
		on $side "prepare $2 $3 77"
		slab
		start=$bytes
		on $side "spare $3"
		slab
		values=$bytes
		took $side insert 0 $3
		slab
		# An rbtree's are in the values.
		[ $side = rbtree ] || sample nodes.$2.$3 $side $3 $((bytes - values)) 0
		sample bytes.$2.$3 $side $3 $((bytes - start)) 0
		on $side "empty 0 0"
	done
	chunk=$whole
}

# visit SIDE MODE SIZE
visit() {
	label=$2.$3
	on $1 "prepare $2 $3 0"
	on $1 "spare $3"
	step sequential.$label $1 insert 0 $3
	on $1 "prepare $2 $3 77"
	on $1 "spare $3"
	step insert.$label $1 insert 0 $3
	step hit.$label $1 hit 0 $3
	step iterate.$label $1 iterate 0 $3
	tree_only $2 $1 $label $3
	# Values of a tree that is read under RCU are not used again.
	[ $2 = rcu ] && on $1 "spare $3" || on $1 "spare 1"
	step replace.$label $1 replace 0 $3
	half=$(($3 / 2)) quarter=$(($3 / 4))
	step erase.$label $1 erase 0 $half
	[ $2 != gaps ] || gaps $label $1 $3
	on $1 "spare $half"
	step again.$label $1 insert 0 $quarter
	case $1 in
	ours | C)
		on $1 "spare $3"
		step cut.$label $1 cut $half $quarter
		reserved $label $1 $3
		on $1 "spare $half"
		step over.$label $1 over 0 $half
		;;
	esac
}
