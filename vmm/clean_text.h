/*
 * Text that a guest chose, made fit for JSON and XML. Any thread.
 */
#ifndef VMM_CLEAN_TEXT_H
#define VMM_CLEAN_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* U+FFFD */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/*
 * A copy that is valid UTF-8 and has only characters that XML 1.0 allows (2.2):
 * control characters but tab and newline are dropped, and what is no character
 * becomes U+FFFD. The caller's (free); NULL without memory.
 */
char *clean_text(const char *text);

/*
 * The bytes of the UTF-8 character at @c (The Unicode Standard, table 3-7), of
 * which @len are there, at least 1. 0: it is none; -1: it may become one with
 * the bytes behind it. U+FFFE and U+FFFF, which XML does not allow, are none.
 */
int utf8_character(const uint8_t *c, size_t len);

#endif
