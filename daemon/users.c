#include "daemon/users.h"
#include "proto/mem.h"
#include <stdlib.h>
#define uthash_malloc(size) mem_alloc(size)
#define HASH_FUNCTION(key, len, hash) HASH_FNV(key, len, hash)
#include <uthash.h>

struct users_entry {
	struct user user; /* first */
	UT_hash_handle hh;
};

/* ---- shares */

enum { RESERVE_PART = 8, REST_PART = 8, RESERVED_CONNECTIONS = 16 };

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* What of a total is for all who do not administer; one alone has nobody to share with. */
static uint64_t others_share(uint64_t total, uint64_t most_reserved)
{
	uint64_t reserve = lesser((total + RESERVE_PART - 1) / RESERVE_PART, most_reserved);
	return total > 1 ? total - reserve : total;
}

/* What one of them may have of that. */
static uint64_t user_share(uint64_t share)
{
	return share > 1 ? share - (share + REST_PART - 1) / REST_PART : share;
}

void users_divide(struct limits *l)
{
	struct allowance *admins = &l->admins, *others = &l->others;
	*admins = (struct allowance){l->user_connections, l->user_calls, l->user_bytes,
	                             l->connections, l->in_flight, l->unfinished};
	*others = *admins;
	others->all_connections = others_share(l->connections, RESERVED_CONNECTIONS);
	others->in_flight = others_share(l->in_flight, UINT64_MAX);
	others->unfinished = others_share(l->unfinished, UINT64_MAX);
	others->connections = lesser(l->user_connections, user_share(others->all_connections));
	others->bytes = lesser(l->user_bytes, user_share(lesser(others->in_flight, others->unfinished)));
	l->user_connections = others->connections;
	l->user_bytes = others->bytes;
}

/* ---- who is there */

struct user *users_ref(struct users *all, uid_t uid)
{
	struct users_entry *entry;
	HASH_FIND(hh, all->entries, &uid, sizeof uid, entry);
	if (!entry) {
		entry = mem_zero(sizeof *entry);
		entry->user.uid = uid;
		HASH_ADD(hh, all->entries, user.uid, sizeof uid, entry);
	}
	return user_ref(&entry->user);
}

struct user *user_ref(struct user *u)
{
	u->refs++;
	return u;
}

void users_unref(struct users *all, struct user *u)
{
	if (!u || --u->refs)
		return;
	struct users_entry *entry = (struct users_entry *)u;
	HASH_DEL(all->entries, entry);
	free(entry);
}

unsigned users_count(const struct users *all)
{
	return HASH_COUNT(all->entries);
}
