/*
 * What gdb asks and how it is answered. Commands that are not here get the
 * empty answer, from which gdb knows that there is no such one.
 *
 * Source: Debugging with GDB, appendix E: E.2 Packets, E.3 Stop Reply Packets,
 * E.4 General Query Packets.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/exit_status.h"
#include "vmm/gdb_internal.h"
#include "vmm/gdb_registers.h"

/* Threads are numbered from 1: 0 means "any" to gdb. */
#define THREAD(vcpu) ((vcpu) + 1)

#define SIGNAL_INT  2 /* gdb's numbers, which are not the host's */
#define SIGNAL_TRAP 5

/* Bytes of one m: two digits each. */
#define MEMORY_MAX (GDB_PACKET_BYTES / 2)

static void say_error(struct gdb *gdb, int code)
{
	gdb_writer_add(&gdb->writer, "E%02x", (unsigned int)code & 0xff);
}

static void say_result(struct gdb *gdb, int rc)
{
	if (rc)
		say_error(gdb, -rc);
	else
		gdb_writer_add(&gdb->writer, "OK");
}

void gdb_write_stop(struct gdb *gdb)
{
	const struct debug_hit *stop = &gdb->stop;
	struct gdb_writer *writer = &gdb->writer;
	unsigned int signal = stop->kind == DEBUG_HIT_PAUSED ? SIGNAL_INT :
							       SIGNAL_TRAP;

	gdb_writer_add(writer, "T%02xthread:%x;", signal,
		       THREAD(gdb->stop_vcpu));
	switch (stop->kind) {
	case DEBUG_HIT_SOFTWARE:
		if (gdb->has_swbreak)
			gdb_writer_add(writer, "swbreak:;");
		break;
	case DEBUG_HIT_HARDWARE:
		if (gdb->has_hwbreak)
			gdb_writer_add(writer, "hwbreak:;");
		break;
	case DEBUG_HIT_WRITE:
		gdb_writer_add(writer, "watch:%llx;",
			       (unsigned long long)stop->addr);
		break;
	case DEBUG_HIT_ACCESS:
		gdb_writer_add(writer, "awatch:%llx;",
			       (unsigned long long)stop->addr);
		break;
	default:
		break;
	}
}

/* --- Registers and memory --- */

static const struct vcpu *current(const struct gdb *gdb)
{
	return &gdb->debug->vcpus[gdb->vcpu];
}

static void read_registers(struct gdb *gdb)
{
	struct gdb_registers registers;
	int rc = gdb_registers_get(current(gdb), &registers);

	if (rc)
		say_error(gdb, -rc);
	else
		gdb_writer_add_hex(&gdb->writer, &registers, sizeof(registers));
}

static void write_registers(struct gdb *gdb, const char *text)
{
	struct gdb_registers registers;

	if (!gdb_take_bytes(&text, (uint8_t *)&registers, sizeof(registers)) ||
	    *text)
		say_error(gdb, EINVAL);
	else
		say_result(gdb, gdb_registers_set(current(gdb), &registers));
}

static void read_register(struct gdb *gdb, const char *text)
{
	struct gdb_registers registers;
	size_t offset, size;
	uint64_t number;
	int rc;

	if (!gdb_take_hex(&text, &number) || number > UINT16_MAX ||
	    !gdb_registers_find((unsigned int)number, &offset, &size)) {
		say_error(gdb, EINVAL);
		return;
	}
	rc = gdb_registers_get(current(gdb), &registers);
	if (rc)
		say_error(gdb, -rc);
	else
		gdb_writer_add_hex(&gdb->writer, (char *)&registers + offset,
				   size);
}

static void write_register(struct gdb *gdb, const char *text)
{
	struct gdb_registers registers;
	size_t offset, size;
	uint64_t number;
	int rc;

	rc = gdb_registers_get(current(gdb), &registers);
	if (rc) {
		say_error(gdb, -rc);
		return;
	}
	if (!gdb_take_hex(&text, &number) || number > UINT16_MAX ||
	    !gdb_registers_find((unsigned int)number, &offset, &size) ||
	    !gdb_take_word(&text, "=") ||
	    !gdb_take_bytes(&text, (uint8_t *)&registers + offset, size))
		say_error(gdb, EINVAL);
	else
		say_result(gdb, gdb_registers_set(current(gdb), &registers));
}

/* "ADDR,LEN" */
static bool take_range(const char **text, uint64_t *ret_addr, uint64_t *ret_len)
{
	return gdb_take_hex(text, ret_addr) && gdb_take_word(text, ",") &&
	       gdb_take_hex(text, ret_len);
}

static void read_memory(struct gdb *gdb, const char *text)
{
	uint8_t bytes[MEMORY_MAX];
	uint64_t addr, len;
	int rc;

	if (!take_range(&text, &addr, &len)) {
		say_error(gdb, EINVAL);
		return;
	}
	len = min_u64(len, sizeof(bytes));
	rc = debug_read(gdb->debug, gdb->vcpu, addr, bytes, (size_t)len);
	if (rc)
		say_error(gdb, -rc);
	else
		gdb_writer_add_hex(&gdb->writer, bytes, (size_t)len);
}

/* "ADDR,LEN:" and the bytes, as digits or (X) as they are. */
static void write_memory(struct gdb *gdb, const char *text, bool is_binary)
{
	const char *end = gdb->reader.text + gdb->reader.len;
	uint8_t bytes[GDB_PACKET_BYTES];
	uint64_t addr, len;

	if (!take_range(&text, &addr, &len) || !gdb_take_word(&text, ":") ||
	    len > sizeof(bytes)) {
		say_error(gdb, EINVAL);
		return;
	}
	if (is_binary && len == (uint64_t)(end - text)) {
		memcpy(bytes, text, (size_t)len);
	} else if (is_binary || !gdb_take_bytes(&text, bytes, (size_t)len)) {
		say_error(gdb, EINVAL);
		return;
	}
	say_result(gdb, debug_write(gdb->debug, gdb->vcpu, addr, bytes,
				    (size_t)len));
}

/* --- Breakpoints --- */

/* "TYPE,ADDR,KIND" behind Z or z; no answer is that there is no such type. */
static void change_breakpoint(struct gdb *gdb, const char *text, bool insert)
{
	struct debug *debug = gdb->debug;
	uint64_t type, addr, len;
	enum debug_hw_kind kind;
	int rc;

	if (!gdb_take_hex(&text, &type) || !gdb_take_word(&text, ",") ||
	    !take_range(&text, &addr, &len)) {
		say_error(gdb, EINVAL);
		return;
	}
	switch (type) {
	case 0:
		rc = insert ? debug_add_breakpoint(debug, gdb->vcpu, addr) :
			      debug_remove_breakpoint(debug, addr);
		say_result(gdb, rc);
		return;
	case 1:
		kind = DEBUG_HW_EXECUTE;
		len = 1;
		break;
	case 2:
		kind = DEBUG_HW_WRITE;
		break;
	case 4:
		kind = DEBUG_HW_ACCESS;
		break;
	default:
		/* x86 cannot watch reads alone: without Z3 gdb takes accesses
		 * and leaves out those that were writes. */
		return;
	}
	len = min_u64(len, UINT8_MAX);
	rc = insert ? debug_add_hw(debug, kind, addr, (unsigned int)len) :
		      debug_remove_hw(debug, kind, addr, (unsigned int)len);
	say_result(gdb, rc);
}

/* --- Running --- */

static bool resume(struct gdb *gdb, const enum debug_action *actions)
{
	int rc = debug_resume(gdb->debug, actions);

	if (rc) {
		say_error(gdb, -rc);
		return true;
	}
	gdb->awaits_stop = true;
	return false;
}

/* c and s, which newer gdbs do not use: one vCPU steps, or all go on. */
static bool resume_simply(struct gdb *gdb, bool step)
{
	enum debug_action actions[CONFIG_MAX_CPUS];

	for (unsigned int i = 0; i < gdb->debug->vcpu_count; i++)
		actions[i] = step ? DEBUG_STAY : DEBUG_CONTINUE;
	if (step)
		actions[gdb->vcpu] = DEBUG_STEP;
	return resume(gdb, actions);
}

/* A thread's number, or -1 for all; false: there is no such thread. */
static bool take_thread(const struct gdb *gdb, const char **text, int *ret_vcpu)
{
	uint64_t number;

	if (gdb_take_word(text, "-1")) {
		*ret_vcpu = -1;
		return true;
	}
	if (!gdb_take_hex(text, &number))
		return false;
	if (number > gdb->debug->vcpu_count)
		return false;
	*ret_vcpu = number ? (int)number - 1 : (int)gdb->stop_vcpu;
	return true;
}

static bool take_action(const char **text, enum debug_action *ret_action)
{
	uint64_t signal;
	char c = **text;

	if (c != 'c' && c != 's' && c != 'C' && c != 'S')
		return false;
	*text += 1;
	/* A signal to go on with: there are none here. */
	if ((c == 'C' || c == 'S') && !gdb_take_hex(text, &signal))
		return false;
	*ret_action = c == 'c' || c == 'C' ? DEBUG_CONTINUE : DEBUG_STEP;
	return true;
}

/* "vCont" is followed by ";ACTION[:THREAD]" parts: for each thread the first
 * that fits counts, and one that none fits stays. */
static bool resume_each(struct gdb *gdb, const char *text)
{
	enum debug_action actions[CONFIG_MAX_CPUS] = { 0 };
	bool is_set[CONFIG_MAX_CPUS] = { 0 };

	while (*text) {
		enum debug_action action = DEBUG_STAY;
		int vcpu = -1;

		if (!gdb_take_word(&text, ";") ||
		    !take_action(&text, &action) ||
		    (gdb_take_word(&text, ":") &&
		     !take_thread(gdb, &text, &vcpu))) {
			say_error(gdb, EINVAL);
			return true;
		}
		for (unsigned int i = 0; i < gdb->debug->vcpu_count; i++) {
			if (is_set[i] || (vcpu >= 0 && i != (unsigned int)vcpu))
				continue;
			is_set[i] = true;
			actions[i] = action;
		}
	}
	return resume(gdb, actions);
}

static bool kill_guest(struct gdb *gdb)
{
	if (verdict_take(gdb->verdict))
		verdict_done(gdb->verdict, EXIT_ENDED, "ended by gdb");
	gdb_writer_add(&gdb->writer, "OK");
	return true;
}

static bool detach(struct gdb *gdb)
{
	static const char ok[] = "$OK#9a";

	/* Said by hand: there is no connection after it. */
	(void)!write(gdb->client.fd, ok, sizeof(ok) - 1);
	gdb_hang_up(gdb);
	return false;
}

/* --- Queries --- */

static void list_threads(struct gdb *gdb)
{
	for (unsigned int i = 0; i < gdb->debug->vcpu_count; i++)
		gdb_writer_add(&gdb->writer, "%c%x", i ? ',' : 'm', THREAD(i));
}

static void describe_thread(struct gdb *gdb, const char *text)
{
	char words[64];
	int vcpu;

	if (!take_thread(gdb, &text, &vcpu) || vcpu < 0) {
		say_error(gdb, EINVAL);
		return;
	}
	snprintf(words, sizeof(words), "vCPU %d", vcpu);
	gdb_writer_add_hex(&gdb->writer, words, strlen(words));
}

/* "ANNEX:OFFSET,LEN" of the target description. */
static void read_description(struct gdb *gdb, const char *text)
{
	uint64_t offset, len, left;

	if (!gdb_take_word(&text, "target.xml:") ||
	    !take_range(&text, &offset, &len)) {
		gdb_writer_add(&gdb->writer, "E00");
		return;
	}
	left = strlen(gdb->xml) - min_u64(offset, strlen(gdb->xml));
	/* Twice as much when every byte is escaped. */
	len = min_u64(min_u64(len, left), GDB_PACKET_BYTES / 2 - 1);
	gdb_writer_add(&gdb->writer, len < left ? "m" : "l");
	gdb_writer_add_binary(&gdb->writer, gdb->xml + offset, (size_t)len);
}

static void say_supported(struct gdb *gdb, const char *text)
{
	gdb->has_swbreak = strstr(text, "swbreak+") != NULL;
	gdb->has_hwbreak = strstr(text, "hwbreak+") != NULL;
	gdb_writer_add(&gdb->writer,
		       "PacketSize=%x;qXfer:features:read+;"
		       "QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+",
		       GDB_PACKET_BYTES);
}

static bool answer_query(struct gdb *gdb, const char *text)
{
	if (gdb_take_word(&text, "Supported"))
		say_supported(gdb, text);
	else if (gdb_take_word(&text, "Xfer:features:read:"))
		read_description(gdb, text);
	else if (gdb_take_word(&text, "fThreadInfo"))
		list_threads(gdb);
	else if (gdb_take_word(&text, "sThreadInfo"))
		gdb_writer_add(&gdb->writer, "l");
	else if (gdb_take_word(&text, "ThreadExtraInfo,"))
		describe_thread(gdb, text);
	else if (gdb_take_word(&text, "Attached"))
		gdb_writer_add(&gdb->writer, "1");
	else if (!strcmp(text, "C"))
		gdb_writer_add(&gdb->writer, "QC%x", THREAD(gdb->vcpu));
	return true;
}

static void set_thread(struct gdb *gdb, const char *text)
{
	bool is_general = *text == 'g';
	int vcpu;

	if (!*text++ || !take_thread(gdb, &text, &vcpu)) {
		say_error(gdb, EINVAL);
		return;
	}
	if (vcpu >= 0 && is_general)
		gdb->vcpu = (unsigned int)vcpu;
	say_result(gdb, 0);
}

static void say_alive(struct gdb *gdb, const char *text)
{
	int vcpu;

	say_result(gdb, take_thread(gdb, &text, &vcpu) ? 0 : -EINVAL);
}

static bool answer_v(struct gdb *gdb, const char *text)
{
	if (gdb_take_word(&text, "Cont?")) {
		gdb_writer_add(&gdb->writer, "vCont;c;C;s;S");
		return true;
	}
	if (gdb_take_word(&text, "Cont"))
		return resume_each(gdb, text);
	if (gdb_take_word(&text, "Kill"))
		return kill_guest(gdb);
	return true;
}

static bool answer_set(struct gdb *gdb, const char *text)
{
	if (!strcmp(text, "StartNoAckMode")) {
		gdb->no_ack = true;
		gdb_writer_add(&gdb->writer, "OK");
	}
	return true;
}

/* Those that end the stop or the connection. */
static bool answer_control(struct gdb *gdb, char command, const char *text)
{
	switch (command) {
	case 'c':
	case 's':
		/* An address to go on at: nobody sends one. */
		if (*text)
			break;
		return resume_simply(gdb, command == 's');
	case 'D':
		return detach(gdb);
	case 'k':
		(void)kill_guest(gdb);
		return false;
	default:
		break;
	}
	return true;
}

bool gdb_answer(struct gdb *gdb)
{
	const char *text = gdb->reader.text + 1;
	char command = gdb->reader.text[0];

	/* gdb knows that the guest runs: it can only interrupt it. */
	if (gdb->debug->state != DEBUG_STOPPED) {
		say_error(gdb, EBUSY);
		return true;
	}
	switch (command) {
	case '?':
		gdb_write_stop(gdb);
		return true;
	case 'g':
		read_registers(gdb);
		return true;
	case 'G':
		write_registers(gdb, text);
		return true;
	case 'p':
		read_register(gdb, text);
		return true;
	case 'P':
		write_register(gdb, text);
		return true;
	case 'm':
		read_memory(gdb, text);
		return true;
	case 'M':
	case 'X':
		write_memory(gdb, text, command == 'X');
		return true;
	case 'Z':
	case 'z':
		change_breakpoint(gdb, text, command == 'Z');
		return true;
	case 'H':
		set_thread(gdb, text);
		return true;
	case 'T':
		say_alive(gdb, text);
		return true;
	case 'q':
		return answer_query(gdb, text);
	case 'Q':
		return answer_set(gdb, text);
	case 'v':
		return answer_v(gdb, text);
	default:
		return answer_control(gdb, command, text);
	}
}
