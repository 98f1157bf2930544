/* process: a daemon without sockets, threads or chance: the real store and journal over any disk.
 *
 * Jobs wait in a queue until whoever drives it runs them. Time stands still unless somebody moves it, and
 * random numbers come from a seed, so that the same calls make the same bytes. */
#pragma once
#include "daemon/store.h"
#include "tests/crash/content.h"
#include "tests/crash/dice.h"

/* What all processes share; whoever runs one inside another's call puts it back afterwards. */
struct surroundings {
	uint64_t millis;
	struct dice dice; /* what getrandom gives */
};
extern struct surroundings surroundings;

struct process {
	struct flush flush; /* first */
	struct flush_job *first, **last;
	struct disk *disk;
	struct state_dir dirs;
	struct store *store;
	struct journal *journal;
	bool stopped, folded;
	char why[1200];     /* a start that was refused */
	struct load_finding refusal; /* by this finding; no `file`: the directory itself */

	/* set before process_start */
	size_t merge_count;
	uint64_t fold_floor;
	void (*committing)(void *context);    /* the first of the pending batches begins; may be NULL */
	void (*state_changed)(void *context); /* likewise */
	void *context;
};

bool process_start(struct process *p, struct disk *disk, const char *path);
/* No job may be left. Nothing is written. */
void process_end(struct process *p);

struct flush_job *process_take(struct process *p); /* NULL: none waits */
void process_drain(struct process *p);             /* runs all that wait, and what they bring about */
void process_stop(struct process *p);              /* a clean one begins; `stopped`, `folded` tell the end */

/* What it shows. Payloads come from `read`, NULL: there is no such file. */
struct content *process_content(struct process *p, const struct content_rules *rules,
                                const struct buf *(*read)(const void *context, const char *name),
                                const void *context);
