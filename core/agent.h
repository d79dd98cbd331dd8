/*
 * What hull-ct and the init of its VMs (guests/vm) say to each other. Only
 * numbers and shapes; no state, any thread.
 *
 * Settings. The first disk of the VM is a block of AGENT_MAGIC (8 bytes), the
 * length of what follows (le32), and strings "key=value", each with a zero
 * behind it. Unknown keys are ignored.
 *
 *	arg=WORD env=NAME=VALUE cwd=PATH uid=N gid=N group=N	the process
 *	caps=HEX	its bounding set
 *	limit=NUMBER SOFT HARD		of setrlimit(2)
 *	terminal=1 no-new-privs=1 pids=N
 *	hostname=NAME read-only=1 stop-signal=N
 *	layers=N	disks behind the second, which is the one written to;
 *			the topmost layer comes first, the last is a whole root,
 *			the others, as the second disk, have it in "upper"
 *	root=MODE UID GID	(octal, decimal) of the root folder
 *	network=1 address=ADDRESS/PREFIX route=NETWORK/PREFIX GATEWAY	of eth0
 *	file=PATH=TEXT	a file of a few lines
 *	copy=MODE UID GID PATH=TEXT	the same (octal, decimal)
 *	mount=TYPE FLAGS OPTIONS PATH	of mount(2); FLAGS decimal, OPTIONS or
 *			"-"; of type "tmpcopyup" is a tmpfs that begins with
 *			what is there; of type "virtiofs" OPTIONS is the tag
 *	sysctl=PATH=VALUE	PATH below /proc/sys
 *	mtu=N		of eth0
 *	ambient=HEX umask=OCTAL	of the process, too
 *
 * Agent. Each of the ports AGENT_PORT_NAME of the virtio console carries one
 * session at a time: frames of a header, type and length (le32 each), and at
 * most AGENT_FRAME_MAX bytes. What is said before an answer to AGENT_OPEN with
 * the same cookie is of an earlier session. A session that ends, ends what it
 * runs, unless that was detached.
 *
 * The VM's program runs in a session of the port AGENT_PROGRAM, which sends no
 * settings. When the host closes that behind AGENT_ENDED, the VM unmounts its
 * disks and ends.
 */
#ifndef CORE_AGENT_H
#define CORE_AGENT_H

#define AGENT_MAGIC	"HULLVM1"
#define AGENT_BLOCK_MAX 1048576

#define AGENT_PORTS	4
#define AGENT_PROGRAM	AGENT_PORTS /* one more port */
#define AGENT_PORT_NAME "hull-ct."

#define AGENT_HEADER	8
#define AGENT_FRAME_MAX 4096
#define AGENT_COOKIE	16

enum agent_frame {
	/* To the guest. */
	AGENT_OPEN = 1, /* AGENT_COOKIE bytes: a session begins */
	AGENT_SETTING, /* a piece of strings as above, of the process to run */
	AGENT_START, /* run it */
	AGENT_INPUT,
	AGENT_INPUT_END,
	AGENT_SIZE, /* rows, columns (le16 each) of its terminal */
	AGENT_SIGNAL, /* le32; without a process, to the VM's first one */
	AGENT_PROCESSES, /* what runs in the VM; without a process */

	/* To the host. */
	AGENT_OPENED = 64, /* the cookie */
	AGENT_STARTED,
	AGENT_FAILED, /* le32, an errno: the program cannot be run */
	AGENT_OUTPUT,
	AGENT_ERRORS, /* what goes to standard error */
	AGENT_ENDED, /* le32: the exit status, 128 + N for a signal */
	AGENT_SIGNALLED, /* le32, an errno or 0: what became of the signal */
	AGENT_PROCESS, /* its ID (le32), and arguments, each with a zero */
	AGENT_PROCESSES_END,
};

#endif
