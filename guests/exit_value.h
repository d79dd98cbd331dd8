/*
 * The debug-exit port and the values the guests write there; read by assembly
 * and C alike. The exit status of the monitor is (value << 1) | 1. 0 is not
 * used: status 1 is also how QEMU ends when it could not start at all.
 */
#ifndef GUESTS_EXIT_VALUE_H
#define GUESTS_EXIT_VALUE_H

#define PORT_DEBUG_EXIT 0xf4

#define EXIT_VALUE_PASS	     1 /* status 3 */
#define EXIT_VALUE_FAIL	     2 /* status 5: a check of the guest failed */
#define EXIT_VALUE_EXCEPTION 3 /* status 7: the guest took an exception */
#define EXIT_VALUE_SURVIVED  4 /* status 9: what should end the VM did not */

#endif
