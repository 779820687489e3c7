#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# The first process of every test VM.
#
# ttyS0 is the kernel's console and carries nothing of ours, so that its reports
# are never mixed with a program's output.  ttyS1 is the line to the host: it
# carries the commands (see serve below), what they print, and their status.

# A file system that this kernel lacks is not an error.
try_mount() { [ -d "$2" ] && mount -t "$1" "$1" "$2" 2>/dev/null; }

mount_all() {
	try_mount proc /proc
	try_mount sysfs /sys
	try_mount devtmpfs /dev
	mkdir -p /dev/pts /dev/shm
	try_mount devpts /dev/pts
	try_mount tmpfs /dev/shm
	try_mount tmpfs /tmp
	try_mount tmpfs /run
	try_mount debugfs /sys/kernel/debug
	try_mount tracefs /sys/kernel/tracing
	try_mount configfs /sys/kernel/config
	try_mount cgroup2 /sys/fs/cgroup
	# udev's part elsewhere: scripts of the kernel's selftests write to these.
	ln -s /proc/self/fd /dev/fd
	for name in 0:stdin 1:stdout 2:stderr; do
		ln -s "fd/${name%:*}" "/dev/${name#*:}"
	done
}

# Emulation on a busy host is slow, and a lockup of 20 s is no lockup there.  The
# host asks for kmemleak's scans where it wants them; the kernel's own would only
# cost time, and report at a moment that belongs to no command.
calm_watchers() {
	[ -e /proc/sys/kernel/watchdog_thresh ] && echo 60 > /proc/sys/kernel/watchdog_thresh
	[ -e /sys/kernel/debug/kmemleak ] && echo scan=off > /sys/kernel/debug/kmemleak
}

load_modules() {
	ln -s strata "/lib/modules/$(uname -r)"
	sh /etc/strata/load > /run/load.log 2>&1 && swap_on >> /run/load.log 2>&1
}

# The disk is brd's, where the host asked for one.
swap_on() {
	[ ! -s /etc/strata/swap ] || { mkswap /dev/ram0 > /dev/null && swapon /dev/ram0; }
}

# One request of the host is any number of lines `part ID BASE64` and then
# `run ID`.  The answer to a part is `@@more ID`: no line outgrows the tty's
# buffer, and none is lost.  The answer to run is
#
#	@@begin ID
#	<the command's output, byte for byte>
#	@@exit ID STATUS
#
# The line in the kernel log tells the host that the console is complete up to
# here: consoles may print from a thread of their own.
marks=/dev/kmsg
serve() {
	stty -F /dev/ttyS1 raw -echo 115200
	exec 3< /dev/ttyS1 4> /dev/ttyS1 2>&4
	echo "@@ready $1" >&4
	[ "$1" -eq 0 ] || cat /run/load.log >&4
	echo "@@loaded" >&4
	echo "<7>strata-sync boot" > $marks
	: > /run/parts
	while read -r verb id text <&3; do
		case "$verb" in
		part)
			echo "$text" >> /run/parts
			echo "@@more $id" >&4
			;;
		run)
			base64 -d < /run/parts > /run/command
			: > /run/parts
			echo "@@begin $id" >&4
			(cd /root && exec sh /run/command < /dev/null >&4 2>&1 3<&- 4>&-)
			status=$?
			echo "<7>strata-sync $id" > $marks
			printf '\n@@exit %s %s\n' "$id" "$status" >&4
			;;
		esac
	done
}

# One command that came along, in user-mode Linux: its second terminal is the line.
once() {
	exec > /dev/tty1 2>&1
	stty raw -echo
	if [ "$1" -eq 0 ]; then
		(cd /root && exec sh /etc/strata/command < /dev/null)
		status=$?
	else
		cat /run/load.log
		status=125
	fi
	echo "@@exit $status"
	# Its reboot is one.
	poweroff -f
}

# A prompt on the user's terminal, which is the console here.  The line to the
# host serves on, for the size of the window.
prompt() {
	read -r rows columns TERM < /etc/strata/terminal
	export TERM ENV=/etc/strata/profile PS1='strata:\w# '
	stty -F /dev/ttyS0 sane rows "$rows" cols "$columns"
	marks=/dev/null
	serve "$1" &
	cat /etc/strata/welcome
	[ "$1" -eq 0 ] || { echo "A module did not load:"; cat /run/load.log; }
	cd /lib/modules/strata
	setsid cttyhack sh -i
}

export PATH=/bin:/strata HOME=/root LANG=C
/bin/busybox --install -s /bin
mount_all
calm_watchers
ulimit -c 0
# From here on every message reaches the console.  While booting only warnings
# do: under emulation each character costs.
echo 8 > /proc/sys/kernel/printk
load_modules
loaded=$?
read -r mode < /etc/strata/mode
case "$mode" in
serve) serve $loaded ;;
shell) prompt $loaded ;;
once) once $loaded ;;
esac
sync
reboot -f
