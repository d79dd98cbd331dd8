/*
 * Ethernet addresses as users write them, and those that nobody wrote. Any
 * thread.
 */
#ifndef CORE_MAC_H
#define CORE_MAC_H

#include <stdint.h>

#include "core/err.h"

#define MAC_BYTES 6

/*
 * Six pairs of hexadecimal digits with colons or, all of them, dashes between.
 * -EINVAL with a sentence: not that, or not the address of one station (a
 * multicast address, all zeroes). @ret_mac is untouched on failure.
 */
int mac_parse(const char *text, uint8_t ret_mac[MAC_BYTES], struct err *err);

/*
 * The address of the NIC @index of the machine @name: always the same for the
 * same two, locally administered, another one for other names as far as 40
 * bits allow.
 */
void mac_default(const char *name, unsigned int index,
		 uint8_t ret_mac[MAC_BYTES]);

#endif
