#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# allow.sh HAVE.rs LIST RUSTC_CFG: bindgen's --allowlist-* flags for those items
# of LIST that the kernel's own bindings HAVE.rs do not define.
#
# A line of LIST is `type NAME`, `function NAME` or `var NAME`, optionally
# followed by the options that the item needs (`CONFIG_X`): an item whose option
# is off in RUSTC_CFG is left out.  A kernel tree that does not carry HAVE.rs
# gets the whole list.
set -eu
[ -r "$1" ] || set -- /dev/null "$2" "$3"
# Without any item in its list, bindgen takes all that it sees.
printf "%s " "--allowlist-type=strata_nothing"
exec awk -v have_file="$1" -v cfg_file="$3" '
FILENAME == cfg_file {
	if (match($0, /--cfg=CONFIG_[A-Z0-9_]+/))
		on[substr($0, RSTART + 6, RLENGTH - 6)] = 1
	next
}
FILENAME == have_file {
	if (match($0, /^ *pub (struct|union|type|enum|fn|static mut|static|const) [A-Za-z0-9_]+/)) {
		n = split(substr($0, RSTART, RLENGTH), word, " ")
		have[word[n]] = 1
	}
	next
}
/^(type|function|var) / {
	if ($2 in have)
		next
	for (i = 3; i <= NF; i++)
		if (!($i in on))
			next
	printf "--allowlist-%s %s ", $1, $2
}' "$3" "$1" "$2"
