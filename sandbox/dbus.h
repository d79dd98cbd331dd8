/*
 * As much of D-Bus as calling a method takes (D-Bus Specification, "Type
 * System", "Message Protocol", "Authentication Protocol"), over a socket that
 * leads straight to the service, with no bus between. Nothing allocates, one
 * call at a time.
 */
#ifndef SANDBOX_DBUS_H
#define SANDBOX_DBUS_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define DBUS_BODY_MAX 16384

/* A message's body, value by value in the order of its signature. What does
 * not fit is noted, and the call is then refused. */
struct dbus_body {
	uint8_t bytes[DBUS_BODY_MAX];
	size_t len;
	bool too_long;
};

/* An array that is being filled: where its length and its first element are. */
struct dbus_array {
	size_t length_at;
	size_t begin;
};

void dbus_put_u32(struct dbus_body *body, uint32_t value);
void dbus_put_u64(struct dbus_body *body, uint64_t value);
/* Of type s or o. */
void dbus_put_string(struct dbus_body *body, const char *text);
/* Of type g; stands in front of a variant's value. */
void dbus_put_signature(struct dbus_body *body, const char *text);
void dbus_put_bytes(struct dbus_body *body, const uint8_t *bytes, size_t len);
/* In front of each structure. */
void dbus_begin_struct(struct dbus_body *body);
struct dbus_array dbus_begin_array(struct dbus_body *body, size_t align);
void dbus_end_array(struct dbus_body *body, struct dbus_array array);

/* Connects, as the user that the caller is to the other end. The caller closes
 * the descriptor. */
int dbus_connect(const char *path, struct err *err);

struct dbus_call {
	const char *destination;
	const char *object;
	const char *interface;
	const char *method;
	const char *signature; /* of the body */
};

/* Calls and waits for the answer, whose values are dropped. -EEXIST or -ENOENT
 * when the name of the answer's error ends with "Exists" or has "NoSuch" in it,
 * -EREMOTEIO for others. */
int dbus_call(int fd, const struct dbus_call *call,
	      const struct dbus_body *body, struct err *err);

#endif
