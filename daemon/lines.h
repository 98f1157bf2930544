/* lines: the records of a snapshot of our own form, made on several threads and handed on in the file's
 * order.
 *
 * Reading a million records takes seconds of CPU, most of it in what needs no table: finding the fields of a
 * text. So the file is cut into blocks at the ends of lines. A thread reads the next block and hashes it, one
 * at a time and in order, then makes its records, beside the others. The caller's thread gets the blocks in
 * order, and works on one itself instead of waiting for one.
 *
 * It knows no faults. Where a line is not as ours are, or a read fails, it ends before that line, and so it
 * does where the caller ends it: the window stands there then, as if the lines before had been passed one by
 * one, and whoever goes on from there judges that line. So what is wrong first in the file is found first,
 * whatever the threads have seen behind it.
 *
 * Memory: two blocks a thread and two more; while a block had to grow to hold a line, no other is read.
 * All but the making happens on one thread, the loop's or the one that loads before there is a loop. */
#pragma once
#include "daemon/load.h"
#include "daemon/window.h"

struct lines;

/* The window stands at the newline before the first record, and is left alone until lines_close. NULL: it
 * is not worth it, one processor, say: go through the file line by line. */
struct lines *lines_open(struct window *w, enum table_id t, const struct load_threads *how);

/* The next records, 0: there are no more. They are here until the next call; the caller puts NULL in the
 * place of a record whose reference it has passed on. */
size_t lines_next(struct lines *l, struct load_record **records);

/* The window stands behind the first `passed` of the records that lines_next gave last. True: these are
 * the table's last, and it stands behind the bracket. */
bool lines_close(struct lines *l, size_t passed);

/* The record in a line from the newline at `start` to the one at `end`, behind which a byte is there: what
 * is between them but a comma. *last: the bracket follows. False: it is no line of ours. */
bool lines_text(const char *start, const char *end, struct span *text, bool *last);
