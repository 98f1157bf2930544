/* users: what all connections of one user hold together, so that no user can take what the others need.
 *
 * A user is there while one of its connections or calls is. Loop's thread. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct user {
	uid_t uid;
	unsigned refs;
	uint64_t connections;
	uint64_t calls;  /* in flight */
	uint64_t bytes;  /* of calls in flight, of replies not yet taken, and of unfinished long lines */
};

struct users {
	struct users_entry *entries;
};

struct user *users_ref(struct users *all, uid_t uid); /* made where it is not there yet */
struct user *user_ref(struct user *u);
void users_unref(struct users *all, struct user *u);  /* NULL is fine */
unsigned users_count(const struct users *all);
