/* mend: finds the one byte that was changed in a file whose checksum is known.
 *
 * What damages a file most often is a single bit. XXH3 has 64 bits, so that of all files which differ from this
 * one in one byte only the right one has the checksum that it states: the file is as it was then. Trying costs the
 * square of the length, so it is bounded by work. Any thread. */
#pragma once
#include "proto/span.h"
#include <stdint.h>

/* As many bytes may be hashed: about a second. */
#define MEND_WORK ((uint64_t)1 << 33)

/* Is the file's checksum right? What follows it does not matter: *end is behind the text that it proves. */
bool mend_is_whole(struct span text, size_t *end);
/* Puts the byte in `text` right; *at: its offset. False: no single byte explains it, or that would be more work than
 * `work` allows; the text is as it was. */
bool mend_byte(char *text, size_t len, uint64_t work, size_t *at);
