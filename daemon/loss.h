/* loss: the list of what a salvage could not save, and how it is said.
 *
 * It is printed at the end, when it is known what else there is of each record. One thread. */
#pragma once
#include "daemon/newest.h"
#include <stdio.h>

enum loss_kind {
	LOSS_FILE,     /* a file is damaged, or files are missing: the text says it all */
	LOSS_RECORD,   /* a record cannot be read; another version of it may be there */
	LOSS_DELETION, /* nobody knows whether a record was deleted */
	LOSS_RECORDS,  /* `count` of them are lost */
	LOSS_NOTE,     /* it has cost nothing */
	LOSS_NOTHING,  /* is not printed: others say it better */
};

struct loss {
	enum loss_kind kind;
	char *file, *why;    /* owned */
	uint64_t line, byte; /* line 0: about the file as a whole */
	uint64_t count;
	enum table_id table; /* TABLE_COUNT: unknown */
	char *id;            /* owned; NULL: it cannot be told */
	uint64_t last;       /* what stood there is of a revision up to this */
};

struct loss_list {
	struct buf all; /* struct loss */
	uint64_t lost;  /* records, when it has been printed */
};

/* Points into the list: until the next one is added. */
__attribute__((format(printf, 4, 5))) struct loss *loss_add(struct loss_list *l, enum loss_kind kind, const char *file,
                                                            const char *format, ...);
size_t loss_count(const struct loss_list *l);
struct loss *loss_at(const struct loss_list *l, size_t i);
/* FILE:LINE:BYTE: text, each in its line; records that are saved as of an older version are marked so in `newest`. */
void loss_print(struct loss_list *l, struct newest *newest, FILE *out);
/* Has nothing been lost, nor become uncertain? */
bool loss_is_none(const struct loss_list *l);
void loss_free(struct loss_list *l);
