/*
 * Where in a JSON text a key or value stands, so that an error can name line
 * and column: the parser's tree does not keep that. Works on texts that the
 * parser accepted (or accepted up to the place asked for); anything else gives
 * "not found", never a read outside the text. Any thread.
 */
#ifndef VMM_JSON_PLACE_H
#define VMM_JSON_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The offset of the key @path, written "disk[1].serial"; the whole document is
 * "". Array elements have no key, so their value's offset is given. Keys that
 * are written with escapes are not found.
 */
bool json_place_find(const char *text, size_t len, const char *path,
		     size_t *ret_offset);

/* The path of the key that starts at @offset; false when none does. */
bool json_place_path(const char *text, size_t len, size_t offset, char *buf,
		     size_t size);

/* Both counted from 1; columns count characters of UTF-8. */
void json_place_line(const char *text, size_t offset, unsigned int *ret_line,
		     unsigned int *ret_column);

#endif
