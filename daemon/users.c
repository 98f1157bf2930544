#include "daemon/users.h"
#include "proto/mem.h"
#include <stdlib.h>
#define uthash_malloc(size) mem_alloc(size)
#include <uthash.h>

struct users_entry {
	struct user user; /* first */
	UT_hash_handle hh;
};

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
