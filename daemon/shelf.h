/* shelf: memory for things of a few hundred bytes that come and go by the million: records' texts.
 *
 * What is given back is taken again by the next of about the same size, without the search and the merging
 * of neighbours that malloc does. (Huge pages were tried: gets gained nothing that could be measured, and
 * a start of a million records lost a tenth to the kernel looking for them.) Nothing goes back to the
 * system; larger things are malloc's. Under a sanitizer everything is, so that it sees each mistake.
 * Loop's thread, and the one that loads before there is a loop. A load has things made by other threads,
 * each in a piece of its own, which are the shelf's from then on. */
#pragma once
#include <stddef.h>

/* So many bytes behind what was taken may be read, whatever is in them: who copies need not stop to the byte. */
enum { SHELF_SLACK = 32 };

void *shelf_take(size_t bytes);            /* not cleared; never NULL */
void shelf_give(void *at, size_t bytes);   /* the same bytes; NULL is fine */
size_t shelf_size(size_t bytes);           /* that it takes in memory */

/* Memory that is cut from one end. */
struct shelf_piece {
	char *at, *end;
};
struct shelf_piece shelf_lend(void); /* what is left over of such pieces, or none; the shelf's thread */
/* As shelf_take, to be given back with shelf_give. Any thread, a piece each. */
void *shelf_cut(struct shelf_piece *p, size_t bytes);
void shelf_join(struct shelf_piece p); /* the shelf gets what is left of it; the shelf's thread */
