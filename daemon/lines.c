#include "daemon/lines.h"
#include "daemon/checksum.h"
#include "daemon/shelf.h"
#include "proto/mem.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

enum { THREADS_MAX = 4, BLOCKS_MAX = 2 * THREADS_MAX + 2 };
enum { BLOCK_BYTES = 256 * 1024, LEAST_BYTES = 4 * 1024 * 1024 };

struct block {
	char *text;
	size_t cap, len;
	uint64_t at;          /* offset of text[0], a newline, in the file */
	size_t cut;           /* the last newline with a byte behind it: where the next block starts. 0: none */
	XXH3_state_t *before; /* the hash of everything before `at` */
	bool file_ends;
	int error;            /* errno of a read that failed */

	struct load_record *records;
	size_t count, room;
	size_t stop;          /* where the next line starts; behind the bracket, if `last` */
	bool last;            /* the table's last record is its last */
	bool ends;            /* no block follows */
	bool ready;           /* under the lock, as is everything until it is set */
};

struct worker {
	struct lines *lines;
	pthread_t thread;
	struct shelf_piece piece;
};

struct lines {
	struct window *window;
	enum table_id table;
	size_t block_bytes;
	unsigned threads, block_count;
	struct worker workers[THREADS_MAX]; /* the first is the caller's thread */
	struct block blocks[BLOCKS_MAX];    /* a ring by number */
	/* of who reads a block */
	uint64_t at;
	XXH3_state_t *hash;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	uint64_t begun, taken; /* numbers of the next block to be read, and of the one that the caller has */
	bool reading;          /* somebody is */
	bool large;            /* a block has grown */
	bool ended, quit;
	struct block *current; /* the caller's */
	bool over;             /* and it has been told that no other follows */
};

bool lines_text(const char *start, const char *end, struct span *text, bool *last)
{
	const char *behind = end;
	*last = end[1] == ']';
	if (*start != '\n' || (!*last && *--behind != ','))
		return false;
	*text = (struct span){start + 1, (size_t)(behind - start) - 1};
	return behind > start + 2 && start[1] == '{' && behind[-1] == '}';
}

/* ---- one block */

static size_t last_newline(const struct block *b)
{
	const char *found = b->len > 2 ? memrchr(b->text + 1, '\n', b->len - 2) : NULL;
	return found ? (size_t)(found - b->text) : 0;
}

/* Bytes behind those that are there. */
static void block_more(struct lines *l, struct block *b, size_t cap)
{
	struct window *w = l->window;
	if (b->cap < cap)
		b->text = mem_resize(b->text, b->cap = cap);
	size_t room = b->cap - b->len;
	ssize_t n = disk_read(w->disk, w->fd, b->text + b->len, room, b->at + b->len);
	if (n < 0) {
		b->error = errno;
		n = 0;
	}
	b->file_ends = (size_t)n < room;
	b->len += (size_t)n;
	b->cut = last_newline(b);
}

/* One block is read at a time. */
static void block_read(struct lines *l, struct block *b)
{
	b->at = l->at;
	b->len = 0;
	b->error = 0;
	XXH3_copyState(b->before, l->hash);
	block_more(l, b, l->block_bytes);
	while (b->cut == 0 && !b->file_ends)
		block_more(l, b, b->cap * 2);
	XXH3_64bits_update(l->hash, b->text, b->cut);
	l->at += b->cut;
}

static struct load_record *next_record(struct block *b)
{
	if (b->count == b->room) {
		b->room = b->room ? b->room * 2 : 512;
		b->records = mem_resize(b->records, b->room * sizeof *b->records);
	}
	return &b->records[b->count];
}

static bool make_record(struct lines *l, struct block *b, struct shelf_piece *piece, const char *end)
{
	struct span text;
	bool last;
	if (!lines_text(b->text + b->stop, end, &text, &last))
		return false;
	struct load_record *r = next_record(b);
	r->record = record_load(piece, l->table, text, &r->keys, &r->changed);
	if (!r->record)
		return false;
	b->count++;
	b->last = last;
	b->stop = (size_t)(end - b->text) + (last ? 2 : 0);
	return true;
}

static void make_records(struct lines *l, struct block *b, struct shelf_piece *piece)
{
	b->count = b->stop = 0;
	b->last = false;
	while (b->stop < b->cut && !b->last) {
		const char *end = memchr(b->text + b->stop + 1, '\n', b->cut - b->stop);
		assert(end); /* the cut at the latest */
		if (!make_record(l, b, piece, end))
			break;
	}
	b->ends = b->file_ends || b->last || b->stop < b->cut;
}

/* ---- the threads */

/* With the lock, and without it in between. False: there is nothing to be done now. */
static bool work(struct lines *l, struct shelf_piece *piece)
{
	if (l->reading || l->large || l->ended || l->begun == l->taken + l->block_count)
		return false;
	struct block *b = &l->blocks[l->begun++ % l->block_count];
	l->reading = true;
	pthread_mutex_unlock(&l->lock);
	block_read(l, b);
	pthread_mutex_lock(&l->lock);
	l->reading = false;
	l->large = b->cap > l->block_bytes;
	l->ended |= b->file_ends;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	make_records(l, b, piece);
	pthread_mutex_lock(&l->lock);
	b->ready = true;
	l->ended |= b->ends;
	pthread_cond_broadcast(&l->changed);
	return true;
}

static void *run(void *argument)
{
	struct worker *w = argument;
	struct lines *l = w->lines;
	pthread_mutex_lock(&l->lock);
	while (!l->quit && !l->ended)
		if (!work(l, &w->piece))
			pthread_cond_wait(&l->changed, &l->lock);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static unsigned processors(void)
{
	cpu_set_t ours;
	if (sched_getaffinity(0, sizeof ours, &ours) < 0)
		return THREADS_MAX; /* more of them than the set holds */
	return (unsigned)CPU_COUNT(&ours);
}

/* Signals are for the thread that was there before. Threads that the system does not give are done
 * without. */
static void start_threads(struct lines *l, unsigned count)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (l->threads = 1; l->threads < count; l->threads++) {
		struct worker *w = &l->workers[l->threads];
		w->lines = l;
		if (pthread_create(&w->thread, NULL, run, w) != 0)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static XXH3_state_t *hash_new(void)
{
	XXH3_state_t *hash = checksum_new();
	assert(hash);
	return hash;
}

struct lines *lines_open(struct window *w, enum table_id t, const struct load_threads *how)
{
	unsigned threads = how->count ? how->count : processors();
	size_t block_bytes = how->block_bytes ? how->block_bytes : BLOCK_BYTES;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (threads < 2 || w->size - window_at(w) < (how->block_bytes ? 0 : LEAST_BYTES))
		return NULL;
	struct lines *l = mem_zero(sizeof *l);
	l->window = w;
	l->table = t;
	l->block_bytes = block_bytes;
	l->block_count = 2 * threads + 2;
	l->at = window_at(w);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		l->workers[i].piece = shelf_lend();
	l->hash = hash_new();
	window_hash(w, l->hash);
	for (unsigned i = 0; i < l->block_count; i++)
		l->blocks[i].before = hash_new();
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	start_threads(l, threads);
	return l;
}

/* ---- the caller's side */

static void give_back(struct lines *l, struct block *b)
{
	b->ready = false;
	if (b->cap > l->block_bytes) {
		free(b->text);
		b->text = NULL;
		b->cap = 0;
		l->large = false;
	}
	l->taken++;
	pthread_cond_broadcast(&l->changed);
}

size_t lines_next(struct lines *l, struct load_record **records)
{
	l->over = l->current && l->current->ends;
	if (l->over)
		return 0;
	pthread_mutex_lock(&l->lock);
	if (l->current)
		give_back(l, l->current);
	struct block *b = &l->blocks[l->taken % l->block_count];
	while (!b->ready)
		if (!work(l, &l->workers[0].piece))
			pthread_cond_wait(&l->changed, &l->lock);
	pthread_mutex_unlock(&l->lock);
	l->current = b;
	*records = b->records;
	return b->count;
}

/* Where the block's record number `n` starts. */
static size_t start_of(const struct block *b, size_t n)
{
	const char *at = b->text;
	while (n-- > 0)
		at = memchr(at + 1, '\n', b->len - (size_t)(at - b->text) - 1);
	return (size_t)(at - b->text);
}

static void stop_threads(struct lines *l)
{
	pthread_mutex_lock(&l->lock);
	l->quit = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 1; i < l->threads; i++)
		pthread_join(l->workers[i].thread, NULL);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->changed);
}

static void block_free(struct block *b)
{
	for (size_t i = 0; b->ready && i < b->count; i++)
		record_unref(b->records[i].record);
	XXH3_freeState(b->before);
	free(b->records);
	free(b->text);
}

bool lines_close(struct lines *l, size_t passed)
{
	struct block *b = l->current;
	assert(b);
	stop_threads(l);
	bool all = l->over || passed == b->count;
	size_t stop = all ? b->stop : start_of(b, passed);
	XXH3_64bits_update(b->before, b->text, stop);
	window_go_on(l->window, b->at + stop, b->before, all && b->ends ? b->error : 0);
	bool last = all && b->last;
	for (unsigned i = 0; i < l->block_count; i++)
		block_free(&l->blocks[i]);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		shelf_join(l->workers[i].piece);
	XXH3_freeState(l->hash);
	free(l);
	return last;
}
