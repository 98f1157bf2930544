/* candidates: words that may come next on a command line, as lines for the scripts of client/completions.
 *
 * A line is a whole word as it would stand there, a tab, and what it is in a few words. A line that begins
 * with a colon asks the shell for something instead: ":files PREFIX" to complete names of files behind PREFIX,
 * ":directories PREFIX" likewise, ":list" not to end the word, since a comma and another value may follow.
 *
 * A plain value: set typed and before, add, candidates_free() it. Words are the caller's to vouch for (ids by
 * their pattern, names of our own tables); what is said about them may come from records, and is made fit for
 * a terminal. */
#pragma once
#include "proto/buf.h"

struct candidates {
	struct span typed;  /* of the word at the cursor: the part that a candidate must begin with */
	struct span before; /* what stands before that part and stays: "--status=running," */
	const char *const *taken; /* words that are on the line already and not offered again */
	size_t taken_count;
	bool no_dashes;     /* a word that begins like a flag would be taken for one */
	struct buf lines;
	size_t count;       /* of words, not of questions */
};

/* Whether candidates_add would take it. */
bool candidates_want(const struct candidates *c, struct span word);
/* `about` may be absent. Does nothing with a word that does not begin as typed, or is there already. */
void candidates_add(struct candidates *c, struct span word, struct span about);
/* The same with prose of the tables: its first sentence is shown, without the marks of the web page. */
void candidates_add_row(struct candidates *c, const char *word, const char *prose);
/* what: "files", "directories", "list"; prefix NULL: it takes none. */
void candidates_ask(struct candidates *c, const char *what, const char *prefix);
void candidates_free(struct candidates *c);
